import { Injectable } from '@nestjs/common';
import { concatBytes, encodeHex } from '@margo-trust/bytes';
import type { Hash } from '@margo-trust/merkle';
import { numberArray, textArray } from '../db/array-literal.ts';
import { Db, DIVISION_BY_ZERO, type Tx } from '../db/db.ts';
import { Random } from '../random.ts';
import { refuseDamagedHead } from './damage.ts';
import type { FinalHead } from './governance/logs.reader.ts';
import { LogFault } from './log.fault.ts';
import { LogSteps } from './log-steps.ts';
import { FIRST_LOG, type ServedLog } from './served-log.ts';

/** The committed state of a log. `frontier` is its compact range, left to right. */
export interface Head {
  readonly size: bigint;
  readonly root: Hash;
  readonly frontier: readonly Hash[];
  /** Fencing token: a writer that holds an older one can no longer move the head. */
  readonly epoch: bigint;
  /** The run of a process that moved the head last. Absent until somebody has. */
  readonly writer?: string;
  readonly committedAt: Date;
  /** Where the registration policy is logged under which the next entry is admitted. */
  readonly policyIndex: bigint;
  /** Where the last record is that replaced a key of the log; 0 when none has. */
  readonly keyIndex: bigint;
  /** Set when the first log takes no more statements of vendors, only records. */
  readonly isClosed?: true;
}

/** A head that the database has called committed. */
export interface CommittedHead extends Pick<Head, 'size' | 'root' | 'committedAt'> {
  /**
   * When the database was last asked for it, on the clock of `performance.now()`, in milliseconds: before a read was sent, or
   * the COMMIT. Without it the database is asked again before anything is signed.
   */
  readonly askedAt?: number;
  /** See {@link Head}; absent where a head is read that others came after. */
  readonly keyIndex?: bigint;
}

/** A head that the caller's transaction holds. */
export interface LockedHead extends Head {
  /** The root that the log had at the size asked for, if it ever had that size. */
  readonly rememberedRoot?: Hash;
}

/** The head of the first log, which the caller's transaction holds while it seals statements in another one. */
export interface GoverningHead extends Pick<Head, 'size' | 'root'> {
  readonly origin: string;
  /** The size of it that the other log's entries say they rest on. */
  readonly seen: bigint;
}

/** One statement on its way into the log, with what search needs to find it again. */
export interface NewEntry {
  /** SHA-256 of `body` or of `raw`, whichever there is. The leaf itself unless there is `raw`. */
  readonly entry: Uint8Array;
  /** The statement with an empty unprotected header. Kept beside the tree, so that it may be forgotten. */
  readonly body?: Uint8Array;
  /** The leaf's bytes, where it is not a statement's digest: 65,535 at most and never 32. Part of the tree for ever. */
  readonly raw?: Uint8Array;
  readonly chain: readonly Uint8Array[];
  readonly chainId?: Uint8Array;
  readonly timestampToken?: Uint8Array;
  readonly contentType: string;
  readonly issuer: string;
  readonly subject: string;
  readonly vendorId?: string;
  readonly applicationId?: string;
  readonly version?: string;
  readonly certificate?: Uint8Array;
  /** What a vendor's statement was judged by before it came to wait; judged again when its batch is sealed. */
  readonly admission?: {
    /** Of the registration policy. */
    readonly policyIndex: bigint;
    /** While the certificates of its path are valid, both ends included. */
    readonly from: Date;
    readonly until: Date;
    /** Where the path ends at an anchor that a vendor has registered. */
    readonly anchor?: {
      readonly id: string;
      /** SHA-256 of the SubjectPublicKeyInfo of each certificate of the path. */
      readonly keys: readonly Uint8Array[];
    };
  };
  /** Digests and references that the statement speaks of. */
  readonly mentions: readonly string[];
}

export interface FullTile {
  readonly level: number;
  readonly index: bigint;
  readonly hashes: Uint8Array;
  readonly root: Hash;
}

interface HeadRecord {
  size: string;
  root: Buffer;
  frontier: Buffer;
  epoch: string;
  writer: string | null;
  committed_at: Date;
  policy_index: string;
  key_index: string;
  frozen: boolean;
  closed: boolean;
}

/** Of {@link HeadRecord}, by name: a prepared statement does not survive a column that is added beneath a `*`. */
const HEAD_COLUMNS =
  'head.size, head.root, head.frontier, head.epoch, head.writer, head.committed_at, head.policy_index, head.key_index, head.frozen, head.closed';

/**
 * Milliseconds that a transaction may sit idle, wait for a lock or run a statement while it holds the head. A process that was stopped in between loses the head
 * after the first of them, and others go on.
 */
const HOLDING_LIMITS = ['3000', '8000', '8000'];
const CONFIRMING_LIMIT = '8000';

/** An operator may make commits of other things faster than durable, not these. */
const DURABLE = `CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END`;

/** Sets {@link HOLDING_LIMITS} as $2 to $4 for the transaction that locks the head of log $1. */
const LIMITS = `limits AS MATERIALIZED (
         SELECT set_config('idle_in_transaction_session_timeout', $2, true) AS idle,
                set_config('lock_timeout', $3, true), set_config('statement_timeout', $4, true),
                set_config('synchronous_commit', ${DURABLE}, true))`;
/** The limits are set below the lock: a row of both must exist before it can be locked. */
const LIMITED_HEAD = 'limits, log_head head WHERE head.log_id = $1 AND limits.idle IS NOT NULL';

const REMEMBERED_CHAINS = 16_384;

/** The log's tables. Every method takes the caller's transaction; none opens its own, none knows a rule. */
@Injectable()
export class LogStore {
  /** This run of this process. After a restart it is another writer. */
  readonly writer: string;
  private readonly watchers: (() => void)[] = [];
  /** Ids, in hex, of chains that a commit of this process has stored: vendors sign with the same few for a year. */
  private readonly storedChains = new Set<string>();

  constructor(
    random: Random,
    private readonly db: Db,
    private readonly steps: LogSteps = new LogSteps(),
  ) {
    this.writer = encodeHex(random.bytes(16)).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  /** Calls `watcher` whenever this process has committed a new head, before anybody is told of what it covers. */
  onHeadMoved(watcher: () => void): void {
    this.watchers.push(watcher);
  }

  async create(tx: Tx, { id: logId, name, origin }: ServedLog, root: Hash, now: Date): Promise<void> {
    await tx.query(
      `INSERT INTO log (id, name, origin, leaf_format, opened_at) VALUES ($1, $2, $3, 'cose-digest', $4)`,
      [...[logId, name ?? null, origin, now]],
    );
    await tx.query(
      `INSERT INTO log_head (log_id, size, root, frontier, epoch, committed_at) VALUES ($1, 0, $2, '', 1, $3)`,
      [logId, Buffer.from(root), now],
    );
  }

  /**
   * Holds the head until the transaction ends: two writers cannot take the same index. From here on the transaction has
   * limits of time, so that a holder that stands still does not stop the others.
   *
   * `remembered` is a size that the caller knows the root of.
   */
  async lockHead(tx: Tx, logId: number, remembered?: bigint): Promise<LockedHead> {
    const [row] = await this.db.prepared<HeadRecord & { remembered: Buffer | null }>(
      tx,
      `WITH ${LIMITS}
       SELECT ${HEAD_COLUMNS}, (SELECT seal.root FROM log_seal seal WHERE seal.log_id = $1 AND seal.size = $5) AS remembered
       FROM ${LIMITED_HEAD} FOR UPDATE OF head`,
      [logId, ...HOLDING_LIMITS, remembered === undefined ? null : remembered.toString()],
    );
    if (!row) throw new LogFault('log/not-open', 'This registry has not been founded yet: it has no log.');
    await this.steps.reached('head locked');
    // Read from the row that is held, so that whoever waited for a freeze sees it.
    if (row.frozen) throw new LogFault('log/frozen', 'This log is frozen: it takes no more entries.');
    return { ...toHead(row), ...(row.remembered && { rememberedRoot: row.remembered }) };
  }

  /**
   * As {@link lockHead}, for a caller that knows what it will find, which this process has written: throws Unmet when the head has moved
   * otherwise, or takes no more entries of vendors. Looks at the row that it gets, not at the one that it waited for.
   */
  async lockExpectedHead(tx: Tx, logId: number, head: Head): Promise<void> {
    await this.db.insist(
      tx,
      `WITH ${LIMITS}, held AS (SELECT head.* FROM ${LIMITED_HEAD} FOR UPDATE OF head)
       SELECT size = $5 AND root = $6 AND epoch = $7 AND writer = $8 AND policy_index = $9 AND key_index = $10
              AND NOT frozen AND NOT closed
       FROM held`,
      [
        ...[logId, ...HOLDING_LIMITS, head.size.toString(), buffer(head.root), head.epoch.toString(), this.writer],
        ...[head.policyIndex.toString(), head.keyIndex.toString()],
      ],
    );
    await this.steps.reached('head locked');
  }

  /** As {@link lockGoverning}; throws Unmet when the first log has grown since the other one said last what it rests on. */
  async lockGoverningSeen(tx: Tx, logId: number): Promise<void> {
    await this.db.insist(
      tx,
      `WITH held AS (SELECT head.size FROM log_head head WHERE head.log_id = ${FIRST_LOG} FOR NO KEY UPDATE OF head)
       SELECT held.size = own.governance_size FROM held, log_head own WHERE own.log_id = $1`,
      [logId],
    );
  }

  /**
   * Holds the head of the first log for a writer of another one, whose own head this transaction holds. Those who wait for it
   * are served in turn, as for every row.
   */
  async lockGoverning(tx: Tx, logId: number): Promise<GoverningHead> {
    const [row] = await this.db.prepared<{ size: string; root: Buffer; origin: string; seen: string }>(
      tx,
      `SELECT head.size, head.root, log.origin, own.governance_size AS seen
       FROM log_head head JOIN log ON log.id = head.log_id, log_head own
       WHERE head.log_id = ${FIRST_LOG} AND own.log_id = $1 FOR NO KEY UPDATE OF head`,
      [logId],
    );
    if (!row) throw new LogFault('log/not-open', 'This registry has not been founded yet: it has no log.');
    return { origin: row.origin, size: BigInt(row.size), root: row.root, seen: BigInt(row.seen) };
  }

  /** What an entry of this transaction says of the first log. */
  async noteGoverning(tx: Tx, logId: number, size: bigint): Promise<void> {
    await this.db.prepared(tx, 'UPDATE log_head SET governance_size = $2 WHERE log_id = $1', [logId, size.toString()]);
  }

  /** From the commit on the first log takes no more statements of vendors. */
  async close(tx: Tx, logId: number, now: Date): Promise<void> {
    await tx.query('UPDATE log_head SET closed = true WHERE log_id = $1', [logId]);
    await tx.query('UPDATE log SET closed_at = $2 WHERE id = $1', [logId, now]);
  }

  /** Ends the log with the entry that this transaction has put last, and returns its root. Nobody appends to it from the commit on. */
  async freeze(tx: Tx, logId: number, now: Date): Promise<Hash> {
    await tx.query('UPDATE log_head SET frozen = true WHERE log_id = $1', [logId]);
    await tx.query(`UPDATE log SET state = 'frozen', frozen_at = $2 WHERE id = $1`, [logId, now]);
    const [row] = (await tx.query('SELECT root FROM log_head WHERE log_id = $1', [logId])) as { root: Buffer }[];
    if (!row) throw new Error('A log without a head cannot be frozen.');
    return row.root;
  }

  /** Keeps what a frozen log shows last: its checkpoint and its signed root, both of its final size. */
  async retire(tx: Tx, logId: number, { checkpoint, signedRoot }: FinalHead, now: Date): Promise<void> {
    await tx.query(
      `UPDATE log SET state = 'retired', retired_at = $2, final_checkpoint = $3, final_signed_root = $4 WHERE id = $1`,
      [logId, now, buffer(checkpoint), buffer(signedRoot)],
    );
  }

  /**
   * Whether `head` is committed and not ahead of the log, and the size of the log. Where there are synchronous standbys,
   * committing the transaction shows that they have all of it: it writes a message to the WAL that nobody reads.
   */
  async confirmSeal(
    tx: Tx,
    logId: number,
    head: Pick<Head, 'size' | 'root'>,
  ): Promise<{ size: bigint; isHeld: boolean }> {
    const [row] = (await tx.query(
      `SELECT head.size, head.size >= $2 AND EXISTS (
                SELECT FROM log_seal seal WHERE seal.log_id = $1 AND seal.size = $2 AND seal.root = $3) AS "isHeld",
              set_config('statement_timeout', $4, true), set_config('synchronous_commit', ${DURABLE}, true),
              CASE WHEN current_setting('synchronous_standby_names') <> ''
                   THEN pg_logical_emit_message(true, 'margo-trust', 'confirm') END
       FROM log_head head WHERE head.log_id = $1`,
      [logId, head.size.toString(), buffer(head.root), CONFIRMING_LIMIT],
    )) as { size: string; isHeld: boolean }[];
    if (!row) throw new LogFault('log/not-open', 'This registry has not been founded yet: it has no log.');
    return { size: BigInt(row.size), isHeld: row.isHeld };
  }

  /** Which of these entries the log holds already, by hex of the entry. */
  async indexesOf(tx: Tx, logId: number, entries: readonly Pick<NewEntry, 'entry'>[]): Promise<Map<string, bigint>> {
    const rows = await this.db.prepared<{ entry: Buffer; index: string }>(
      tx,
      'SELECT entry, index FROM log_entry WHERE log_id = $1 AND entry = ANY($2)',
      [logId, entries.map(({ entry }) => buffer(entry))],
    );
    return new Map(rows.map((row) => [encodeHex(row.entry), BigInt(row.index)]));
  }

  async insertEntries(tx: Tx, logId: number, first: bigint, entries: readonly NewEntry[], now: Date): Promise<void> {
    try {
      // The chains first, which statements refer to; nothing waits in between.
      await Promise.all([this.insertChains(tx, entries), this.insertRows(tx, logId, first, entries, now)]);
    } catch (error) {
      this.storedChains.clear(); // the database may be another one than it was
      throw error;
    }
    await this.steps.reached('entries inserted');
  }

  /** Those that this process does not remember to have stored. */
  private async insertChains(tx: Tx, entries: readonly NewEntry[]): Promise<void> {
    const chains = new Map<string, NewEntry>();
    for (const entry of entries) {
      const id = entry.chainId && encodeHex(entry.chainId);
      if (id !== undefined && !this.storedChains.has(id)) chains.set(id, entry);
    }
    if (chains.size === 0) return;
    await Promise.all(
      Array.from(chains.values(), ({ chainId, chain }) =>
        this.db.prepared(tx, 'INSERT INTO certificate_chain VALUES ($1, $2) ON CONFLICT DO NOTHING', [
          buffer(chainId),
          chain.map((der) => buffer(der)),
        ]),
      ),
    );
    this.db.afterCommit(tx, () => {
      if (this.storedChains.size >= REMEMBERED_CHAINS) this.storedChains.clear();
      for (const id of chains.keys()) this.storedChains.add(id);
    });
  }

  /** Statements and entries in one round trip. A statement that is withheld, and was sent to another log, stays so. */
  private async insertRows(
    tx: Tx,
    logId: number,
    first: bigint,
    entries: readonly NewEntry[],
    now: Date,
  ): Promise<void> {
    const bodies = pack(entries.map((e) => e.body));
    const tokens = pack(entries.map((e) => e.timestampToken));
    const raws = pack(entries.map((e) => e.raw));
    await this.db.prepared(
      tx,
      `WITH given AS MATERIALIZED (
         SELECT *, ((position - 1) * 32 + 1)::int AS at
         FROM unnest($10::int[], $11::int[], $12::int[], $13::int[], $14::int[], $15::int[], $16::text[], $17::text[],
                     $18::text[], $19::text[], $20::text[], $21::text[], $22::text[]) WITH ORDINALITY
              AS s (b, bn, t, tn, r, rn, content_type, issuer, subject, vendor_id, application_id, version, mentions, position)),
       kept AS (
         INSERT INTO statement (entry, body, chain_id, timestamp_token)
         SELECT substring($4::bytea FROM at FOR 32), substring($5::bytea FROM b FOR bn),
                nullif(substring($6::bytea FROM at FOR 32), ${NO_HASH}), substring($7::bytea FROM t FOR tn)
         FROM given
         WHERE bn IS NOT NULL
           AND NOT EXISTS (SELECT FROM statement_erasure gone WHERE gone.entry = substring($4::bytea FROM at FOR 32))
           AND NOT EXISTS (SELECT FROM restricted_statement held WHERE held.entry = substring($4::bytea FROM at FOR 32))
         ON CONFLICT DO NOTHING)
       INSERT INTO log_entry (log_id, index, entry, content_type, issuer, subject, vendor_id, application_id, version,
                              certificate, registered_at, raw, mentions)
       SELECT $1, $2::bigint + position - 1, substring($4::bytea FROM at FOR 32), content_type, issuer, subject, vendor_id,
              application_id, version, nullif(substring($8::bytea FROM at FOR 32), ${NO_HASH}), $3,
              substring($9::bytea FROM r FOR rn), string_to_array(mentions, E'\\n')
       FROM given`,
      [
        logId,
        first.toString(),
        now,
        packHashes(entries.map((e) => e.entry)),
        bodies.bytes,
        packHashes(entries.map((e) => e.chainId)),
        tokens.bytes,
        packHashes(entries.map((e) => e.certificate)),
        raws.bytes,
        ...[bodies, tokens, raws].flatMap(({ starts, lengths }) => [numberArray(starts), numberArray(lengths)]),
        textArray(entries.map((e) => e.contentType)),
        textArray(entries.map((e) => e.issuer)),
        textArray(entries.map((e) => e.subject)),
        textArray(entries.map((e) => e.vendorId ?? null)),
        textArray(entries.map((e) => e.applicationId ?? null)),
        textArray(entries.map((e) => e.version ?? null)),
        textArray(entries.map((e) => joinMentions(e.mentions))),
      ],
    );
  }

  async insertTile(tx: Tx, logId: number, tile: FullTile): Promise<void> {
    await this.db.prepared(tx, 'INSERT INTO log_tile VALUES ($1, $2, $3, $4, $5)', [
      logId,
      tile.level,
      tile.index.toString(),
      buffer(tile.hashes),
      buffer(tile.root),
    ]);
    await this.steps.reached('tile inserted');
  }

  /** Leaves `[first, first + count)` in order: the bytes that are hashed into the tree. */
  async leaves(tx: Tx, logId: number, first: bigint, count: number): Promise<Uint8Array[]> {
    const rows = await this.db.prepared<{ leaf: Buffer }>(
      tx,
      'SELECT coalesce(raw, entry) AS leaf FROM log_entry WHERE log_id = $1 AND index >= $2 AND index < $3 ORDER BY index',
      [logId, first.toString(), (first + BigInt(count)).toString()],
    );
    return rows.map((row) => row.leaf);
  }

  /** Hashes over the full tiles `[first, first + count)` of a level, in order. */
  async tileRoots(tx: Tx, logId: number, level: number, first: bigint, count: number): Promise<Hash[]> {
    const rows = await this.db.prepared<{ root: Buffer }>(
      tx,
      'SELECT root FROM log_tile WHERE log_id = $1 AND level = $2 AND index >= $3 AND index < $4 ORDER BY index',
      [logId, level, first.toString(), (first + BigInt(count)).toString()],
    );
    return rows.map((row) => row.root);
  }

  /** The head after `old` when this process moves it: whoever finds another writer's head takes over under the next epoch. */
  nextHead(old: Head, next: Pick<Head, 'size' | 'root' | 'frontier' | 'committedAt'>): Head {
    const epoch = old.writer === this.writer ? old.epoch : old.epoch + 1n;
    const { policyIndex, keyIndex, isClosed } = old;
    return { ...next, epoch, writer: this.writer, policyIndex, keyIndex, ...(isClosed && { isClosed }) };
  }

  /**
   * Moves the head from `old`, which must have been sealed, to `next`, and seals that. Compares size, root and epoch although the row is locked:
   * a writer that lost its lock to a failover must fail here rather than fork the log. It fails in PostgreSQL, so that a COMMIT that
   * has been sent already commits nothing.
   */
  async advanceHead(tx: Tx, logId: number, old: Head, next: Head): Promise<void> {
    try {
      await this.db.prepared(
        tx,
        `WITH moved AS (
           UPDATE log_head SET size = $2, root = $3, frontier = $4, committed_at = $5, epoch = $9, writer = $10
           WHERE log_id = $1 AND size = $6 AND root = $7 AND epoch = $8
             AND ($6 = 0 OR EXISTS (SELECT FROM log_seal s WHERE s.log_id = $1 AND s.size = $6 AND s.root = $7))
           RETURNING log_id, size, root, committed_at),
         sealed AS (INSERT INTO log_seal SELECT * FROM moved)
         SELECT 1 / count(*)::int AS moved FROM moved`,
        [
          logId,
          next.size.toString(),
          buffer(next.root),
          Buffer.from(concatBytes(...next.frontier)),
          next.committedAt,
          old.size.toString(),
          buffer(old.root),
          old.epoch.toString(),
          next.epoch.toString(),
          this.writer,
        ],
      );
    } catch (error) {
      if ((error as { code?: unknown }).code !== DIVISION_BY_ZERO) throw error;
      throw new Error(`The head of log ${logId} moved under its writer, or is not what was sealed.`, { cause: error });
    }
    this.db.afterCommit(tx, () => this.watchers.forEach((watcher) => watcher()));
    await this.steps.reached('head moved');
  }
}

/** Throws LogFault `log/damaged` when the parts do not belong together. */
export function toHead(row: HeadRecord): Head {
  const frontier = Array.from({ length: row.frontier.length / 32 }, (_, i) =>
    row.frontier.subarray(i * 32, i * 32 + 32),
  );
  refuseDamagedHead(BigInt(row.size), row.root, frontier);
  return {
    size: BigInt(row.size),
    root: row.root,
    frontier,
    epoch: BigInt(row.epoch),
    ...(row.writer !== null && { writer: row.writer }),
    committedAt: row.committed_at,
    policyIndex: BigInt(row.policy_index),
    keyIndex: BigInt(row.key_index),
    ...(row.closed && { isClosed: true }),
  };
}

function buffer(bytes: Uint8Array): Buffer;
function buffer(bytes: Uint8Array | undefined): Buffer | null;
function buffer(bytes: Uint8Array | undefined): Buffer | null {
  return bytes === undefined ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** An array of arrays of different lengths cannot be unnested. */
function joinMentions(mentions: readonly string[]): string {
  if (mentions.some((term) => term === '' || term.includes('\n'))) throw new Error('A mention is one line of text.');
  return [...new Set(mentions)].join('\n');
}

/** Hashes of 32 bytes as one parameter; a missing one is {@link NO_HASH}. */
function packHashes(hashes: readonly (Uint8Array | undefined)[]): Buffer {
  const packed = Buffer.alloc(hashes.length * 32);
  hashes.forEach((hash, position) => hash && packed.set(hash, position * 32));
  return packed;
}

const NO_HASH = `'\\x${'00'.repeat(32)}'::bytea`;

/**
 * Many byte strings as one parameter, which travels in binary; an array of them would travel as hexadecimal text.
 * `starts` counts from 1 as SQL's `substring` does; a missing string has no length, and becomes NULL.
 */
function pack(parts: readonly (Uint8Array | undefined)[]): {
  bytes: Buffer;
  starts: number[];
  lengths: (number | null)[];
} {
  const starts: number[] = [];
  let next = 1;
  for (const part of parts) {
    starts.push(next);
    next += part?.length ?? 0;
  }
  const bytes = Buffer.concat(parts.filter((part) => part !== undefined));
  return { bytes, starts, lengths: parts.map((part) => part?.length ?? null) };
}
