import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  LogCheck,
  LogKeyHistory,
  readGenesis,
  TileBuilder,
  verifyCheckpoint,
  type CheckedRow,
  type LogEvidence,
} from '@margo-trust/auditor';
import { encodeBase64Url, parseUtf8 } from '@margo-trust/bytes';
import { parseRegistrationPolicy } from '@margo-trust/policy';
import { CONTENT } from '@margo-trust/statement';
import { parseCheckpoint, parseNote, type VerifierKey } from '@margo-trust/tlog';
import { Db } from '../db/db.ts';
import { LogKeyStore } from '../log/keys/log-key.store.ts';
import { RestoreLogKeys } from '../log/keys/restore-log-keys.ts';
import { PolicyStore } from '../log/admission/policy.store.ts';
import { WithholdingStore, type WithholdingDecision } from '../log/withholding/withholding.store.ts';
import { StartError } from '../start-error.ts';
import { findWithholding } from './find-withholding.ts';
import { readEvidence } from './read-evidence.ts';
import { LogRebuildStore } from './log-rebuild.store.ts';

/** The log that tables are rebuilt for: a registry has one. */
const LOG_ID = 1;
/** Bundles a round of statements: 2,048 entries. */
const BUNDLES = 8;

/**
 * Rebuilds the tables of a log in an empty database, from a mirror of its public files, in one transaction: every row is
 * recomputed on the way and the last root compared with the checkpoint, so a crash or a lie leaves the database empty.
 *
 * It brings back the log with its policies, and which statements are withheld and why; the worker makes search and index from it.
 * Nothing else: accounts, vendors, votes and keys are in backups. What is erased stays so, also where the mirror still has it.
 */
export async function rebuildLog(
  db: Db,
  mirror: string,
  key: VerifierKey,
  onProgress: (entries: bigint, of: bigint) => void = () => undefined,
): Promise<bigint> {
  const note = await findFile(mirror, 'checkpoint');
  if (!note) throw new StartError(`There is no checkpoint in ${mirror}: is it a mirror of a log?`);
  // Believed at the end, when the records have told which key speaks for a tree of its size.
  const checkpoint = parseCheckpoint(parseNote(note).text);
  const store = new LogRebuildStore(LOG_ID);
  await db.transaction(async (tx) => {
    if (!(await store.isEmpty(tx))) {
      throw new StartError('This database holds a log already: name an empty one, or keep what is there.');
    }
    const [check, builder] = [new LogCheck(key.name), new TileBuilder()];
    const load = (index: bigint) => loadBundle(mirror, index, checkpoint.size);
    const bundle = await load(0n);
    const opening = check.add(bundle);
    const genesis = readGenesis(opening, key);
    const { trust } = genesis;
    const keys = new LogKeyHistory(genesis);
    const policies: Parameters<PolicyStore['insertPolicy']>[2][] = [];
    // The last decision about each statement, by EntryID: what it came after does not matter any more.
    const withheld = new Map<string, WithholdingDecision>();
    const [first] = opening;
    if (!first) throw new Error('A log begins with two entries.');
    await store.create(tx, key.name, first.row.registeredAt);

    let rows = opening;
    let { seals } = bundle;
    for (let index = 1n; rows.length > 0; index += BigInt(BUNDLES)) {
      await store.insertRows(tx, rows);
      await store.insertSeals(tx, seals);
      for (const row of rows) if (row.index > 1n) keys.add(row);
      policies.push(...rows.flatMap((row) => findPolicy(row, trust.registry)));
      for (const { statement } of rows) {
        const decision = statement && findWithholding(statement, trust.registry);
        if (decision) withheld.set(encodeBase64Url(decision.entry), decision);
      }
      const tiles = builder.add(rows.map(({ leafHash }) => leafHash));
      if (tiles.length > 0) await store.insertTiles(tx, tiles);
      onProgress(check.size, checkpoint.size);
      [rows, seals] = [[], []];
      for (let n = 0n; n < BigInt(BUNDLES) && (index + n) * 256n < checkpoint.size; n += 1n) {
        const next = await load(index + n);
        rows = [...rows, ...check.add(next)];
        seals = [...seals, ...next.seals];
      }
    }
    verifyCheckpoint(note, keys.checkpointKeys);
    check.conclude(checkpoint);
    await store.insertHead(tx, check.compactRange, check.newestSeal?.committedAt ?? first.row.registeredAt);
    await new RestoreLogKeys(new LogKeyStore(db)).run(tx, { id: LOG_ID, origin: key.name });
    for (const decision of withheld.values()) await new WithholdingStore().carryOut(tx, decision);
    for (const policy of policies) await new PolicyStore().insertPolicy(tx, LOG_ID, policy);
  });
  return checkpoint.size;
}

/** What was in force from an entry on, as the registry logged it. */
function findPolicy({ index, row, statement }: CheckedRow, registry: string) {
  if (statement?.contentType !== CONTENT.policy || statement.issuer !== registry) return [];
  const { version } = parseRegistrationPolicy(statement.payload);
  return [{ version, index, document: parseUtf8(statement.payload), at: row.registeredAt }];
}

async function loadBundle(mirror: string, index: bigint, size: bigint): Promise<LogEvidence> {
  const bundle = await readEvidence((path) => findFile(mirror, path), index, size);
  if (!bundle) throw new StartError(`${mirror} does not hold the evidence of entries from ${index * 256n} on.`);
  return bundle;
}

async function findFile(mirror: string, path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(join(mirror, path)));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new StartError(`${join(mirror, path)} cannot be read.`, { cause });
  }
}
