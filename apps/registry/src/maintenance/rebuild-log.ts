import {
  LogCheck,
  LogKeyHistory,
  readGenesis,
  readGovernanceSeen,
  readLogEvent,
  TileBuilder,
  verifyRecord,
  type CheckedRow,
  type GovernanceSeen,
  type LogEvent,
  type Seal,
} from '@margo-trust/auditor';
import { encodeBase64Url, parseUtf8 } from '@margo-trust/bytes';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import { parseRegistrationPolicy } from '@margo-trust/policy';
import type { ReceiptKey } from '@margo-trust/receipt';
import { CONTENT } from '@margo-trust/statement';
import { parseCheckpoint, parseNote, type Checkpoint, type VerifierKey } from '@margo-trust/tlog';
import { Db, type Tx } from '../db/db.ts';
import { LogKeyStore } from '../log/keys/log-key.store.ts';
import { RestoreLogKeys } from '../log/keys/restore-log-keys.ts';
import { PolicyStore } from '../log/admission/policy.store.ts';
import { LogStore } from '../log/log.store.ts';
import type { ServedLog } from '../log/served-log.ts';
import { SystemRandom } from '../random.ts';
import { findWithholding, type FoundDecision } from './find-withholding.ts';
import { keepTransitionsAgain } from './handovers.ts';
import { LogRebuildStore } from './log-rebuild.store.ts';
import type { PublicLog } from './public-log.ts';

/** Bundles a round of statements: 2,048 entries. */
const BUNDLES = 8;

/** A log that is to be made again: its row to be, a copy of it, and the key that its checkpoints began with. */
export interface LogToRebuild {
  readonly log: ServedLog;
  readonly copy: PublicLog;
  readonly key: VerifierKey;
}

/** What a log that was made again says of itself and of others. */
export interface RebuiltLog extends Checkpoint {
  readonly log: ServedLog;
  readonly copy: PublicLog;
  /** The registry's URI, by its second entry. */
  readonly registry: string;
  readonly receiptKeys: readonly ReceiptKey[];
  /** In order: of the first log, those of the others too. */
  readonly events: readonly LogEvent[];
  /** What it rests on; nothing in the first log. */
  readonly seen: readonly GovernanceSeen[];
  /** The last one about each statement, by EntryID. Not carried out yet: other logs may have said more since. */
  readonly decisions: ReadonlyMap<string, DatedDecision>;
}

export interface DatedDecision extends FoundDecision {
  readonly registeredAt: Date;
}

/** Told how many entries of a log are there. */
export type OnProgress = (entries: bigint, of: bigint) => void;

/**
 * Fills the tables of one log, which the database does not have, from a copy of its public files: every row is recomputed on the way
 * and the last root compared with the checkpoint. What is thrown leaves the caller's transaction to be rolled back.
 *
 * With it come its policies, its keys, and whether it takes entries. What concerns several logs is the caller's: `rebuild-logs.ts`.
 */
export async function rebuildLog(
  tx: Tx,
  db: Db,
  { log, copy, key }: LogToRebuild,
  onProgress: OnProgress,
): Promise<RebuiltLog> {
  const note = await copy.loadNote();
  // Believed at the end, when the records have told which key speaks for a tree of its size.
  const checkpoint = parseCheckpoint(parseNote(note).text);
  const store = new LogRebuildStore(log.id);
  const [check, builder] = [new LogCheck(key.name), new TileBuilder()];
  const policies: Parameters<PolicyStore['insertPolicy']>[2][] = [];
  const events: LogEvent[] = [];
  const seen: GovernanceSeen[] = [];
  const decisions = new Map<string, DatedDecision>();
  let opening: { keys: LogKeyHistory; registry: string; at: Date } | undefined;

  let rows: CheckedRow[] = [];
  let seals: Seal[] = [];
  const write = async () => {
    await store.insertRows(tx, rows);
    await store.insertSeals(tx, seals);
    const tiles = builder.add(rows.map(({ leafHash }) => leafHash));
    if (tiles.length > 0) await store.insertTiles(tx, tiles);
    [rows, seals] = [[], []];
    onProgress(check.size, checkpoint.size);
  };
  let bundles = 0;
  for await (const bundle of copy.bundles(0n, checkpoint.size)) {
    const added = check.add(bundle);
    if (!opening) {
      const genesis = readGenesis(added, key);
      const [first] = added;
      if (!first) throw new Error('A log begins with two entries.');
      opening = { keys: new LogKeyHistory(genesis), registry: genesis.trust.registry, at: first.row.registeredAt };
      await store.create(tx, log, opening.at);
    }
    const { keys, registry } = opening;
    for (const row of added) {
      if (row.index > 1n) keys.add(row);
      policies.push(...findPolicy(row, registry));
      const event = readLogEvent(row);
      const rests = readGovernanceSeen(row);
      if ((event || rests) && row.statement) {
        verifyRecord(row.index, row.statement, registry, keys.recordKeysAt(row.index));
      }
      if (event) events.push(event);
      if (rests) seen.push(rests);
      const decision = row.statement && findWithholding(row.statement, registry);
      if (decision) {
        decisions.set(encodeBase64Url(decision.entry), { ...decision, registeredAt: row.row.registeredAt });
      }
    }
    rows.push(...added);
    seals.push(...bundle.seals);
    if (++bundles % BUNDLES === 0) await write();
  }
  if (!opening) throw new Error('A log begins with two entries.');
  await write();
  const { keys, registry, at } = opening;
  keys.verify(note, verifyMlDsa44);
  check.conclude(checkpoint);
  await store.insertHead(tx, check.compactRange, check.newestSeal?.committedAt ?? at);
  const keyStore = new LogKeyStore(db);
  await new RestoreLogKeys(keyStore).run(tx, log);
  await keepTransitionsAgain(tx, { keys: keyStore, rebuild: store }, log, copy);
  for (const policy of policies) await new PolicyStore().insertPolicy(tx, log.id, policy);
  const rebuilt = { log, copy, registry, receiptKeys: keys.receiptKeys, events, seen, decisions, ...checkpoint };
  await markEnds(tx, new LogStore(new SystemRandom(), db), rebuilt);
  return rebuilt;
}

/** What the log says of itself: how much of the first one it rests on, and whether it takes entries. */
async function markEnds(tx: Tx, store: LogStore, { log, seen, events }: RebuiltLog): Promise<void> {
  const rests = seen.at(-1);
  if (rests) await store.noteGoverning(tx, log.id, rests.size);
  for (const { what, origin, at } of events) {
    if (origin !== log.origin) continue;
    if (what === 'closed') await store.close(tx, log.id, at);
    if (what === 'frozen') await store.freeze(tx, log.id, at);
  }
}

/** What was in force from an entry on, as the registry logged it. */
function findPolicy({ index, row, statement }: CheckedRow, registry: string) {
  if (statement?.contentType !== CONTENT.policy || statement.issuer !== registry) return [];
  const { version } = parseRegistrationPolicy(statement.payload);
  return [{ version, index, document: parseUtf8(statement.payload), at: row.registeredAt }];
}
