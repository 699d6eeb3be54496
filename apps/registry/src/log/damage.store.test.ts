import { randomInt } from 'node:crypto';
import { encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { parseReceipt } from '@margo-trust/receipt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { Db, type Tx } from '../db/db.ts';
import { appendEntries } from './append-entries.ts';
import { HeadGuard } from './head-guard.ts';
import { HeadSigner } from './head-signer.ts';
import { SystemClock } from '../clock.ts';
import { CheckpointStore } from './witnessing/checkpoint.store.ts';
import { IssueReceipt } from './issue-receipt.ts';
import { LogFault } from './log.fault.ts';
import { LogKeys } from './keys/log-keys.ts';
import { LogIdentity } from './log-identity.ts';
import { LogLife } from './log-life.ts';
import { LogReader } from './log.reader.ts';
import { LogStore, type NewEntry } from './log.store.ts';
import { PublishedCheckpoint } from './witnessing/published-checkpoint.ts';
import { WithholdingReader } from './withholding/withholding.reader.ts';
import { WitnessQuorum } from './witnessing/witness-quorum.ts';

/** `BIT_FLIPS=10000` for the long run. */
const FLIPS = Number(process.env['BIT_FLIPS'] ?? 70);
const ENTRIES = 700;
/** Every column that a leaf, a node, a head or a statement is read from. */
const PLACES = [
  ['log_entry', 'entry'],
  ['statement', 'body'],
  ['log_tile', 'hashes'],
  ['log_tile', 'root'],
  ['log_seal', 'root'],
  ['log_head', 'root'],
  ['log_head', 'frontier'],
] as const;

const newEntry = (name: string): NewEntry => {
  const body = encodeUtf8(`{"statement":"${name}"}`);
  return {
    entry: sha256(body),
    body,
    chain: [],
    contentType: 'text/plain',
    issuer: 'https://registry.example',
    subject: name,
    mentions: [],
  };
};

let registry: TestRegistry;
let db: Db;
let size: bigint;

beforeAll(async () => {
  registry = await startTestRegistry();
  db = registry.app.get(Db);
  const { logId } = registry.app.get(LogIdentity);
  const store = registry.app.get(LogStore);
  for (let first = 0; first < ENTRIES; first += 70) {
    const entries = Array.from({ length: 70 }, (_, i) => newEntry(`entry ${first + i}`));
    await db.transaction((tx) => appendEntries(tx, store, logId, entries, new Date()));
  }
  ({ size } = await new LogReader(db, registry.app.get(LogIdentity)).loadHead());
}, 120_000);
afterAll(() => registry?.close());

describe('a database with one flipped bit', () => {
  it(`neither signs nor serves what differs, in any of ${FLIPS} places`, { timeout: 3_600_000 }, async () => {
    const sample = Array.from({ length: 24 }, () => BigInt(randomInt(Number(size))));
    const sound = await takeStock(sample);
    expect(sound.faults).toEqual([]);
    for (let n = 0; n < FLIPS; n += 1) {
      const [table, column] = PLACES[n % PLACES.length] ?? PLACES[0];
      const flip = await flipBit(table, column);
      try {
        const damaged = await takeStock([...sample, ...flip.indexes]);
        for (const [what, text] of damaged.served) {
          const before = sound.served.get(what);
          // An entry whose own name has changed is not found any more, which is no lie.
          if (before !== undefined && text !== 'nothing') expect(text, `${what} with ${flip.what}`).toBe(before);
        }
        expect(damaged.faults.length, `${flip.what} was noticed by nobody`).toBeGreaterThan(0);
      } finally {
        await flip.undo();
      }
    }
    expect((await takeStock(sample)).faults).toEqual([]);
  });
});

/** Everything that the log answers, as text by name, and the names of what it refused for damage. */
async function takeStock(indexes: readonly bigint[]): Promise<{ served: Map<string, string>; faults: string[] }> {
  const identity = registry.app.get(LogIdentity);
  const reader = new LogReader(db, identity);
  const keys = registry.app.get(LogKeys);
  const signer = new HeadSigner(identity, registry.app.get(HeadGuard), keys);
  const [checkpoints, quorum] = [registry.app.get(CheckpointStore), registry.app.get(WitnessQuorum)];
  const { config } = registry;
  const life = registry.app.get(LogLife);
  const published = new PublishedCheckpoint(
    ...([reader, signer, checkpoints, quorum, identity, keys, config, db, new SystemClock(), life] as const),
  );
  const receipts = new IssueReceipt(reader, signer, published, registry.app.get(WithholdingReader), life);
  const served = new Map<string, string>();
  const faults: string[] = [];
  const ask = async (what: string, answer: () => Promise<Uint8Array | undefined>) => {
    try {
      const bytes = await answer();
      served.set(what, bytes ? Buffer.from(bytes).toString('base64') : 'nothing');
    } catch (error) {
      const isRefusal =
        error instanceof LogFault ? error.code === 'log/damaged' : /is not what was sealed/.test(`${error}`);
      if (!isRefusal) throw error;
      faults.push(what);
    }
  };
  await ask('checkpoint', async () => {
    const head = await reader.loadHead();
    await signer.signCheckpoint(head);
    return head.root;
  });
  for (let first = 0n; first < size; first += 256n) {
    const width = Number(size - first < 256n ? size - first : 256n);
    await ask(`tile 0/${first}`, () => reader.findTile({ level: 0, index: first / 256n, width }));
    await ask(`bundle ${first}`, () => reader.findBundle(first / 256n, width));
  }
  await ask('tile 1/0', () => reader.findTile({ level: 1, index: 0n, width: Number(size / 256n) }));
  for (const index of indexes) {
    await ask(`receipt ${index}`, async () => {
      const { size: of, proofs } = describeReceipt(await receipts.run({ index }));
      return encodeUtf8(`${of} ${proofs}`);
    });
    const record = await reader.findByIndex(index);
    if (!record) throw new Error(`Entry ${index} is gone.`);
    await ask(`statement ${index}`, async () => (await reader.findStatement(record.entry))?.body);
  }
  await ask('next root', () => appendInVain());
  return { served, faults };
}

/** A receipt but for its signature, which is another one each time. */
function describeReceipt(receipt: Uint8Array): { size: string; proofs: string } {
  const { proofs } = parseReceipt(receipt);
  const text = JSON.stringify(proofs, (_, value: unknown) =>
    typeof value === 'bigint'
      ? value.toString()
      : value instanceof Uint8Array
        ? Buffer.from(value).toString('hex')
        : value,
  );
  return { size: proofs[0]?.size.toString() ?? '', proofs: text };
}

/** The root that the log would have after a batch that fills a tile, from a transaction that is taken back. */
async function appendInVain(): Promise<Uint8Array> {
  const { logId } = registry.app.get(LogIdentity);
  const entries = Array.from({ length: 256 }, (_, i) => newEntry(`in vain ${i}`));
  let root: Uint8Array | undefined;
  const takenBack = new Error('taken back');
  try {
    await db.transaction(async (tx: Tx) => {
      const { head } = await appendEntries(tx, registry.app.get(LogStore), logId, entries, new Date());
      root = head.root;
      throw takenBack;
    });
  } catch (error) {
    if (error !== takenBack) throw error;
  }
  return root ?? new Uint8Array();
}

/** A tree of one leaf is never signed, so its seal is not among the places. */
async function flipBit(table: string, column: string) {
  const [row] = await db.query<{ at: string; value: Buffer }>(
    `SELECT ctid::text AS at, ${column} AS value FROM ${table}
     WHERE octet_length(${column}) > 0 ${table === 'log_seal' ? 'AND size > 1' : ''} ORDER BY random() LIMIT 1`,
  );
  if (!row) throw new Error(`${table} is empty.`);
  const bit = randomInt(row.value.length * 8);
  const [place] = await db.query<{ id: Record<string, unknown> }>(
    `SELECT to_jsonb(t) - '${column}' AS id FROM ${table} t WHERE ctid = '${row.at}'`,
  );
  let { at } = row;
  // Each write moves the row. By its value it cannot be found: one flipped bit may make it another row's.
  const write = (value: Buffer) =>
    db.transaction(async (tx) => {
      await tx.query('SET LOCAL session_replication_role = replica');
      const [moved] = await tx.query<[{ at: string }[], number]>(
        `UPDATE ${table} SET ${column} = $1 WHERE ctid = $2 RETURNING ctid::text AS at`,
        [value, at],
      );
      if (moved.length !== 1 || !moved[0]) throw new Error('The row is somewhere else.');
      ({ at } = moved[0]);
    });
  const value = Buffer.from(row.value);
  value.writeUInt8(value.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  await write(value);
  const index = place?.id['index'];
  const indexes = table === 'log_entry' ? [BigInt(Number(index))] : await indexesOf(table, row.value, place?.id);
  return {
    what: `bit ${bit} of ${table}.${column} ${JSON.stringify(place?.id)}`,
    indexes,
    undo: () => write(row.value),
  };
}

/** Entries whose answers rest on the row. */
async function indexesOf(table: string, value: Buffer, id: Record<string, unknown> | undefined): Promise<bigint[]> {
  if (table === 'log_seal') return [BigInt(Number(id?.['size'])) - 1n];
  if (table !== 'statement') return [];
  const rows = await db.query<{ index: string }>('SELECT index FROM log_entry WHERE entry = $1', [
    Buffer.from(sha256(value)),
  ]);
  return rows.map((row) => BigInt(row.index));
}
