import { createHash } from 'node:crypto';
import type { Db } from '../db/db.ts';
import { EvidenceReader } from '../log/tiles/evidence.reader.ts';
import type { LogIdentity } from '../log/log-identity.ts';
import { WriteEvidence } from '../log/tiles/write-evidence.ts';

const LOG_ID = 1;

/**
 * SHA-256 over all that a database keeps of its log, in hex: the evidence bundles in order (entries, statements, chains,
 * tokens, heads), then the tiles (level in one byte, index in eight, hashes, root), by level and index, then the head
 * (size in eight bytes, root, frontier). Two databases with one hash hold the same log, row by row.
 *
 * Left out is what a log does not say: who writes it just now, and when its tables were made.
 */
export async function hashLogState(db: Db): Promise<{ hash: string; origin: string; size: bigint }> {
  const [head] = await db.query<{ origin: string; size: string; root: Buffer; frontier: Buffer }>(
    'SELECT origin, size, root, frontier FROM log_head JOIN log ON log.id = log_id WHERE log_id = $1',
    [LOG_ID],
  );
  if (!head) throw new Error('This database holds no log.');
  const size = BigInt(head.size);
  const identity = { logId: LOG_ID, origin: head.origin } as LogIdentity;
  const evidence = new WriteEvidence(new EvidenceReader(db, identity), identity);
  const hash = createHash('sha256');

  for (let index = 0n; index * 256n < size; index += 1n) {
    const left = size - index * 256n;
    const bundle = await evidence.run(index, left < 256n ? Number(left) : 256);
    for await (const piece of bundle.pieces()) hash.update(piece);
  }
  for (let level = 0; level < 8; level += 1) {
    for (let from = 0; ; from += 1_000) {
      const tiles = await db.query<{ index: string; hashes: Buffer; root: Buffer }>(
        'SELECT index, hashes, root FROM log_tile WHERE log_id = $1 AND level = $2 AND index >= $3 ORDER BY index LIMIT 1000',
        [LOG_ID, level, from],
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
  hash.update(eightBytes(size)).update(head.root).update(head.frontier);
  return { hash: hash.digest('hex'), origin: head.origin, size };
}

function eightBytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}
