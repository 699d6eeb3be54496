import { areEqualBytes, encodeHex, parseUtf8 } from '@margo-trust/bytes';
import { appendLeaves, emptyRange, hashLeaf, rootOfRange, type CompactRange } from '@margo-trust/merkle';
import { chainId, encodeRegistrationPolicy, parseRegistrationPolicy } from '@margo-trust/policy';
import { CONTENT, parseStatement } from '@margo-trust/statement';
import {
  readGovernanceSeen,
  readKeyEvent,
  readLogEvent,
  type EvidenceRow,
  type GovernanceSeen,
  type LogEvent,
  type Seal,
} from '@margo-trust/auditor';
import { verifierKeySpki, type Checkpoint } from '@margo-trust/tlog';
import type { Db, Tx } from '../db/db.ts';
import { appendEntries } from '../log/append-entries.ts';
import type { RestoreLogKeys } from '../log/keys/restore-log-keys.ts';
import type { LogIdentity } from '../log/log-identity.ts';
import type { LogReader } from '../log/log.reader.ts';
import type { Head, LogStore, NewEntry } from '../log/log.store.ts';
import type { PolicyStore } from '../log/admission/policy.store.ts';
import { WithholdingStore } from '../log/withholding/withholding.store.ts';
import { StartError } from '../start-error.ts';
import { findWithholding } from './find-withholding.ts';
import { followHandovers, type Handover } from './handovers.ts';
import type { PublicLog } from './public-log.ts';

/** What a copy of the log holds beyond the database. */
export interface Missing {
  readonly head: Head;
  readonly checkpoint: Checkpoint;
  /** Entries of the registry itself: decisions that the other tables of an older database do not know of. */
  readonly records: readonly { readonly index: bigint; readonly subject: string; readonly record: string }[];
  /** Those of them that say what became of logs, and what a log that is not the first rests on. */
  readonly events: readonly LogEvent[];
  readonly seen: readonly GovernanceSeen[];
}

/** Entries between two heads. */
interface Batch {
  readonly rows: readonly EvidenceRow[];
  readonly seal: Seal;
}

/**
 * Brings one log of a restored database forward to what a copy of it holds: the same entries at the same indices, under
 * the same heads, byte for byte. Nothing is written before all of it has been seen to lead from the database's head to
 * a checkpoint of our own key; what is written is checked again, head by head, and a crash leaves a log that can be brought forward
 * further.
 *
 * With the entries come back: their statements as far as the copy has them, policies, and what was decided about statements that are
 * withheld, so that nothing erased since the backup lives on in it. Search and the index for complete answers are made by the worker.
 * Vendors, certificates, revocations, accounts, votes and the trust root stay as old as the backup.
 */
export class RecoverLog {
  constructor(
    private readonly db: Db,
    private readonly store: LogStore,
    private readonly reader: LogReader,
    private readonly policies: PolicyStore,
    private readonly identity: LogIdentity,
    private readonly keys: RestoreLogKeys,
    private readonly withholdings = new WithholdingStore(),
  ) {}

  /** Throws StartError when the copy does not lead on from the database. */
  async look(copy: PublicLog): Promise<Missing> {
    const head = await this.reader.loadHead();
    const { keys, handovers } = await followHandovers(copy, this.identity.checkpointWindows);
    const checkpoint = await copy.loadCheckpoint(keys);
    const records: { index: bigint; subject: string; record: string }[] = [];
    const events: LogEvent[] = [];
    const seen: GovernanceSeen[] = [];
    if (checkpoint.size <= head.size) return { head, checkpoint, records, events, seen };

    let range: CompactRange = head.size === 0n ? emptyRange() : { size: head.size, hashes: head.frontier };
    for await (const { rows, seal } of this.batches(copy, head.size, checkpoint.size)) {
      rows.forEach((row, i) => {
        if (row.issuer !== this.identity.issuer) return;
        const index = range.size + BigInt(i);
        records.push({ index, subject: row.subject, record: nameOf(row) });
        const { event, rests } = this.readAboutLogs(row, index);
        if (event) events.push(event);
        if (rests) seen.push(rests);
      });
      range = appendLeaves(range, rows.map(leafOf));
      refuseOther(rootOfRange(range), seal);
      for (const handover of handovers) this.refuseOtherHandover(handover, rows, range);
    }
    refuseOther(rootOfRange(range), checkpoint);
    return { head, checkpoint, records, events, seen };
  }

  /** Appends what {@link look} found to be missing. Returns the new head. */
  async run(copy: PublicLog, { checkpoint }: Missing, onProgress: (size: bigint) => void): Promise<Head> {
    let head: Head = await this.reader.loadHead();
    for await (const { rows, seal } of this.batches(copy, head.size, checkpoint.size)) {
      head = await this.db.transaction((tx) => this.append(tx, head, rows, seal));
      onProgress(head.size);
    }
    refuseOther(head.root, checkpoint);
    return head;
  }

  private async append(tx: Tx, expected: Head, rows: readonly EvidenceRow[], seal: Seal): Promise<Head> {
    const { logId } = this.identity;
    const locked = await this.store.lockHead(tx, logId);
    if (locked.size !== expected.size) throw new StartError('Somebody else is writing to this log. Stop that first.');
    const appended = await appendEntries(tx, this.store, logId, rows.map(toNewEntry), seal.committedAt, locked);
    if (appended.head.size !== seal.size) throw new StartError(`The copy holds an entry twice below ${seal.size}.`);
    refuseOther(appended.head.root, seal);
    await this.withholdings.keepWithheld(
      tx,
      rows.map(({ entry }) => entry),
    );
    for (const [i, row] of rows.entries()) await this.carryOut(tx, row, locked.size + BigInt(i), seal.committedAt);
    if (rows.some(({ subject }) => subject === `log-key:${this.identity.origin}`)) {
      await this.keys.run(tx, { id: logId, origin: this.identity.origin });
    }
    return appended.head;
  }

  /** What the registry's own statement changed when it was logged, as far as the tables of logs tell of it. */
  private async carryOut(tx: Tx, row: EvidenceRow, index: bigint, at: Date): Promise<void> {
    const { logId, issuer, origin } = this.identity;
    if (row.kind !== 'statement' || row.body === undefined || row.issuer !== issuer) return;
    const statement = parseStatement(row.body);
    const decision = findWithholding(statement, issuer);
    // Of a statement in another log the first one's word counts once that log is here too.
    if (decision && (decision.log ?? origin) === origin) await this.withholdings.carryOut(tx, decision);
    if (row.contentType === CONTENT.policy) {
      const document = parseUtf8(encodeRegistrationPolicy(parseRegistrationPolicy(statement.payload)));
      const version = (await this.policies.currentVersion(tx, logId)) + 1;
      await this.policies.insertPolicy(tx, logId, { version, index, document, at });
    }
    const { event, rests } = this.readAboutLogs(row, index);
    if (rests) await this.store.noteGoverning(tx, logId, rests.size);
    if (event?.origin !== origin) return;
    if (event.what === 'closed') await this.store.close(tx, logId, event.at);
    if (event.what === 'frozen') await this.store.freeze(tx, logId, event.at);
  }

  /** Of a key that is not known yet: that the record of it is where the copy says, in the tree that both keys have signed. */
  private refuseOtherHandover(handover: Handover, rows: readonly EvidenceRow[], range: CompactRange): void {
    const first = range.size - BigInt(rows.length);
    const { event, key, size } = handover;
    if (event < first || event >= range.size) return;
    const body = rows[Number(event - first)]?.body;
    const told = body && readKeyEvent({ index: event, statement: parseStatement(body) });
    if (size === range.size && told?.purpose === 'checkpoint' && areEqualBytes(told.key, verifierKeySpki(key))) {
      return refuseOther(rootOfRange(range), handover);
    }
    throw new StartError(`The copy names a key that no record at entry ${event} puts in the place of another.`);
  }

  private readAboutLogs({ body, issuer }: EvidenceRow, index: bigint): { event?: LogEvent; rests?: GovernanceSeen } {
    if (body === undefined || issuer !== this.identity.issuer) return {};
    const statement = parseStatement(body);
    const [event, rests] = [readLogEvent({ index, statement }), readGovernanceSeen({ index, statement })];
    return { ...(event && { event }), ...(rests && { rests }) };
  }

  /** What was committed together, in order. Throws StartError where rows and heads do not belong together. */
  private async *batches(copy: PublicLog, from: bigint, size: bigint): AsyncGenerator<Batch> {
    let waiting: EvidenceRow[] = [];
    let next = from;
    for await (const bundle of copy.bundles(from, size)) {
      const seals = bundle.seals.filter((seal) => seal.size > from);
      let start = next > bundle.first ? Number(next - bundle.first) : 0;
      for (const seal of seals) {
        const end = Number(seal.size - bundle.first);
        const rows = [...waiting, ...bundle.rows.slice(start, end)];
        if (end <= start && waiting.length === 0) throw new StartError('The copy names a head twice.');
        if (rows.some(({ registeredAt }) => registeredAt.getTime() !== seal.committedAt.getTime())) {
          throw new StartError(`The copy dates entries below ${seal.size} otherwise than the head that covers them.`);
        }
        yield { rows, seal };
        [waiting, start, next] = [[], end, seal.size];
      }
      waiting = [...waiting, ...bundle.rows.slice(start)];
      next = bundle.first + BigInt(bundle.rows.length);
    }
    if (waiting.length > 0) throw new StartError('The copy ends between two heads.');
  }
}

function toNewEntry(row: EvidenceRow): NewEntry {
  const { kind, entry, body, chain, contentType, issuer, subject, mentions } = row;
  return {
    entry,
    ...(kind === 'raw' ? { raw: body ?? entry } : body && { body }),
    chain,
    ...(chain.length > 0 && { chainId: chainId(chain) }),
    ...(row.timestampToken && { timestampToken: row.timestampToken }),
    contentType,
    issuer,
    subject,
    ...(row.vendorId !== undefined && { vendorId: row.vendorId }),
    ...(row.applicationId !== undefined && { applicationId: row.applicationId }),
    ...(row.version !== undefined && { version: row.version }),
    ...(row.certificate && { certificate: row.certificate }),
    mentions,
  };
}

function leafOf({ kind, entry, body }: EvidenceRow): Uint8Array {
  return hashLeaf(kind === 'raw' && body ? body : entry);
}

/** What the record calls itself; the content type where it is no record. */
function nameOf({ contentType, body }: EvidenceRow): string {
  if (contentType !== CONTENT.record || body === undefined) return contentType;
  const { record } = JSON.parse(parseUtf8(parseStatement(body).payload)) as { record?: unknown };
  return typeof record === 'string' ? record : contentType;
}

function refuseOther(root: Uint8Array, claimed: { readonly size: bigint; readonly root: Uint8Array }): void {
  if (areEqualBytes(root, claimed.root)) return;
  throw new StartError(
    `The copy does not lead on from this database: at ${claimed.size} entries it says the tree root ` +
      `${encodeHex(claimed.root)}, and its entries give ${encodeHex(root)}. One of the two is not this log.`,
  );
}
