import { createHash, type Hash } from 'node:crypto';
import type { Db } from '../db/db.ts';
import { EvidenceReader } from '../log/tiles/evidence.reader.ts';
import type { LogIdentity } from '../log/log-identity.ts';
import { WriteEvidence } from '../log/tiles/write-evidence.ts';

/** A log as a database keeps it. `stateHash` is SHA-256 in hex. */
export interface LogState {
  readonly origin: string;
  readonly size: bigint;
  readonly stateHash: string;
}

/** All logs of a database, oldest first; `stateHash` is over their hashes, 32 bytes each, in that order. */
export interface RegistryState {
  readonly stateHash: string;
  readonly logs: readonly LogState[];
}

interface HeadRow {
  log_id: number;
  origin: string;
  size: string;
  root: Buffer;
  frontier: Buffer;
  policy_index: string;
  key_index: string;
  governance_size: string;
  ends: number;
}

/**
 * What a database keeps of its logs, as one hash. Of each log: the evidence bundles in order (entries, statements, chains,
 * tokens, heads), then the tiles (level in one byte, index in eight, hashes, root), by level and index, then the head: size in
 * eight bytes, root, frontier; where its policy and its last new key are on record, and how much of the first log it rests on, in
 * eight bytes each; and 0 while it takes entries, 1 closed for statements, 2 frozen, 3 retired, in one byte. Two databases with one hash hold
 * the same logs, row by row.
 *
 * Left out is what a log does not say: who writes it just now, and when its tables were made.
 */
export async function hashLogState(db: Db): Promise<RegistryState> {
  const heads = await db.query<HeadRow>(
    `SELECT head.log_id, log.origin, head.size, head.root, head.frontier, head.policy_index, head.key_index, head.governance_size,
            CASE WHEN log.state = 'retired' THEN 3 WHEN head.frozen THEN 2 WHEN head.closed THEN 1 ELSE 0 END AS ends
     FROM log_head head JOIN log ON log.id = head.log_id ORDER BY log.id`,
    [],
  );
  if (heads.length === 0) throw new Error('This database holds no log.');
  const all = createHash('sha256');
  const logs: LogState[] = [];
  for (const head of heads) {
    const hash = createHash('sha256');
    await hashEvidence(db, head, hash);
    await hashTiles(db, head, hash);
    const { size, policy_index: policy, key_index: key, governance_size: governance } = head;
    hash
      .update(eightBytes(BigInt(size)))
      .update(head.root)
      .update(head.frontier);
    for (const number of [policy, key, governance]) hash.update(eightBytes(BigInt(number)));
    const digest = hash.update(Uint8Array.of(head.ends)).digest();
    all.update(digest);
    logs.push({ origin: head.origin, size: BigInt(size), stateHash: digest.toString('hex') });
  }
  return { stateHash: all.digest('hex'), logs };
}

async function hashEvidence(db: Db, { log_id: logId, origin, size: text }: HeadRow, hash: Hash): Promise<void> {
  const size = BigInt(text);
  const identity = { logId, origin } as LogIdentity;
  const evidence = new WriteEvidence(new EvidenceReader(db, identity), identity);
  for (let index = 0n; index * 256n < size; index += 1n) {
    const left = size - index * 256n;
    const bundle = await evidence.run(index, left < 256n ? Number(left) : 256);
    for await (const piece of bundle.pieces()) hash.update(piece);
  }
}

async function hashTiles(db: Db, { log_id: logId }: HeadRow, hash: Hash): Promise<void> {
  for (let level = 0; level < 8; level += 1) {
    for (let from = 0; ; from += 1_000) {
      const tiles = await db.query<{ index: string; hashes: Buffer; root: Buffer }>(
        'SELECT index, hashes, root FROM log_tile WHERE log_id = $1 AND level = $2 AND index >= $3 ORDER BY index LIMIT 1000',
        [logId, level, from],
      );
      for (const { index, hashes, root } of tiles) {
        hash
          .update(Uint8Array.of(level))
          .update(eightBytes(BigInt(index)))
          .update(hashes)
          .update(root);
      }
      if (tiles.length < 1_000) break;
    }
  }
}

function eightBytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}
