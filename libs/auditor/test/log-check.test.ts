import { randomBytes } from 'node:crypto';
import { encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { hashLeaf } from '@margo-trust/merkle';
import { parseReceipt } from '@margo-trust/receipt';
import { attachToStatement } from '@margo-trust/statement';
import { rootFromTiles, tilePath } from '@margo-trust/tlog';
import { describe, expect, it } from 'vitest';
import {
  checkReceipt,
  LogCheck,
  rangeFromTiles,
  readGenesis,
  refuseOtherRoot,
  TileBuilder,
  verifyCheckpoint,
  type EvidenceRow,
} from '../src/index.ts';
import { WorldLog } from './world-log.ts';

function makeLog(): WorldLog {
  const log = new WorldLog();
  const acme = log.admit('acme');
  for (let n = 0; n < 4; n += 1) log.publish(acme);
  return log;
}

function check(log: WorldLog, note = log.checkpoint()): LogCheck {
  const checked = new LogCheck(log.world.origin);
  for (const bundle of log.bundles()) checked.add(bundle);
  checked.conclude(verifyCheckpoint(note, log.key));
  return checked;
}

/** Changes row `index` and nothing else. */
function change(log: WorldLog, index: number, by: Partial<EvidenceRow>): void {
  log.rows[index] = { ...log.rows[index]!, ...by };
}

const code = (name: string) => expect.objectContaining({ code: `audit/${name}` }) as Error;

describe('LogCheck', () => {
  it('agrees with a log that is honest, raw leaves and erased statements included', () => {
    const log = makeLog();
    const { body: _, ...erased } = log.rows[5]!;
    log.rows[5] = { ...erased, kind: 'erased', chain: [] };
    const body = encodeUtf8('{"kind":"hashedrekord"}');
    const { contentType, issuer, subject, registeredAt } = log.rows[6]!;
    log.rows[6] = {
      ...{ contentType, issuer, subject, registeredAt },
      kind: 'raw',
      entry: sha256(body),
      body,
      chain: [],
      mentions: [],
    };
    log.reseal();
    expect(check(log).size).toBe(8n);
  });

  it('takes the log in parts, and rows twice', () => {
    const log = makeLog();
    const [bundle] = [...log.bundles()];
    const checked = new LogCheck(log.world.origin);
    const part = { ...bundle!, rows: bundle!.rows.slice(0, 5), seals: bundle!.seals.slice(0, 5) };
    expect(checked.add(part)).toHaveLength(5);
    expect(checked.add(part)).toHaveLength(0);
    expect(checked.add(bundle!).map(({ index }) => index)).toEqual([5n, 6n, 7n]);
    checked.conclude(verifyCheckpoint(log.checkpoint(), log.key));
  });

  const other = encodeUtf8('something else');
  it.each<[string, string, (log: WorldLog) => Uint8Array | void]>([
    [
      'changed-statement',
      'a statement that was changed',
      (log) => {
        const body = log.rows[5]!.body!.slice();
        body[body.length - 1]! ^= 1;
        change(log, 5, { body });
      },
    ],
    ['changed-statement', 'a statement that is none', (log) => change(log, 5, { body: other })],
    ['changed-statement', 'an entry that is none', (log) => change(log, 5, { body: other, entry: sha256(other) })],
    [
      'changed-statement',
      'something hidden in the unprotected header',
      (log) => change(log, 5, { body: attachToStatement(log.rows[5]!.body!, { agent: 'x/1' }) }),
    ],
    ['changed-statement', 'a raw leaf that was changed', (log) => change(log, 5, { kind: 'raw', body: other })],
    ['wrong-facts', 'a statement found under another name', (log) => change(log, 5, { subject: 'oci:app:other' })],
    ['wrong-facts', 'a mention that is left out', (log) => change(log, 5, { mentions: [] })],
    ['wrong-facts', 'another certificate', (log) => change(log, 5, { certificate: sha256(other) })],
    ['wrong-facts', 'another chain', (log) => change(log, 5, { chain: [other] })],
    [
      'missing-entry',
      'an entry that is dropped at the end',
      (log) => {
        const note = log.checkpoint();
        log.rows.pop();
        log.seals.pop();
        return note;
      },
    ],
    [
      'wrong-root',
      'an entry that is dropped in the middle, tracks covered',
      (log) => {
        const note = log.checkpoint();
        log.rows.splice(5, 1, log.rows[4]!);
        log.reseal();
        return note;
      },
    ],
    ['wrong-root', 'a forked checkpoint', (log) => log.checkpoint({ root: sha256(other) })],
    ['wrong-seal', 'a head that never was', (log) => void (log.seals[4] = { ...log.seals[4]!, root: sha256(other) })],
    [
      'wrong-seal',
      'a head that is older than the one before',
      (log) => void (log.seals[4] = { ...log.seals[4]!, committedAt: log.world.now }),
    ],
    ['wrong-seal', 'a head that is shown twice', (log) => void log.seals.splice(4, 0, log.seals[4]!)],
    ['wrong-seal', 'no head at the end', (log) => void log.seals.pop()],
    ['wrong-seal', 'no heads at all', (log) => void log.seals.splice(0)],
    ['wrong-seal', 'an entry from after its head', (log) => change(log, 5, { registeredAt: log.world.later(9_999) })],
    ['other-log', 'a checkpoint of another log', () => new WorldLog().checkpoint()],
    ['other-log', 'a checkpoint that names another log', (log) => log.checkpoint({ origin: 'log.elsewhere.example' })],
    [
      'bad-checkpoint',
      'a checkpoint that was changed',
      (log) => {
        const note = log.checkpoint();
        note[log.world.origin.length + 1]! ^= 1;
        return note;
      },
    ],
  ])('finds %s: %s', (name, _what, lie) => {
    const log = makeLog();
    const note = lie(log);
    expect(() => check(log, note ?? log.checkpoint())).toThrow(code(name));
  });

  it('finds evidence of another log, and evidence that leaves rows out', () => {
    const log = makeLog();
    const [bundle] = [...log.bundles()];
    const checked = () => new LogCheck(log.world.origin);
    expect(() => checked().add({ ...bundle!, origin: 'log.elsewhere.example' })).toThrow(code('other-log'));
    expect(() => checked().add({ ...bundle!, first: 256n })).toThrow(code('missing-entry'));
  });

  it('finds any bit that is flipped in what it recomputes', () => {
    const log = makeLog();
    const target = log.rows[6]!;
    for (let n = 0; n < 200; n += 1) {
      const body = target.body!.slice();
      const bit = randomBytes(4).readUInt32BE() % (body.length * 8);
      body[bit >> 3]! ^= 1 << (bit & 7);
      log.rows[6] = { ...target, body };
      expect(() => check(log), `bit ${bit}`).toThrow(code('changed-statement'));
    }
  });
});

describe('two checkpoints', () => {
  it('of one size must be the same', () => {
    const log = makeLog();
    const [ours, theirs] = [log.checkpoint(), log.checkpoint({ root: sha256(encodeUtf8('fork')) })];
    const [a, b] = [verifyCheckpoint(ours, log.key), verifyCheckpoint(theirs, log.key)];
    expect(() => refuseOtherRoot(a, b)).toThrow(code('fork'));
    refuseOtherRoot(a, a);
    refuseOtherRoot(a, verifyCheckpoint(log.checkpoint({ size: 5 }), log.key));
  });
});

describe('readGenesis', () => {
  const opened = (log: WorldLog) => new LogCheck(log.world.origin).add([...log.bundles()][0]!);

  it('reads policy, keys and anchors', () => {
    const log = makeLog();
    const { policy, trust, log: itself } = readGenesis(opened(log), log.key);
    expect([policy.version, trust.registry, itself.origin]).toEqual([1, log.world.registry, log.world.origin]);
  });

  it('refuses a log that opens otherwise, or names another key', () => {
    const log = makeLog();
    expect(() => readGenesis(opened(log).slice(1), log.key)).toThrow(code('wrong-genesis'));
    expect(() => readGenesis(opened(log).reverse(), log.key)).toThrow(code('wrong-genesis'));
    expect(() => readGenesis(opened(log), { ...log.key, publicKey: new Uint8Array(32) })).toThrow(
      code('wrong-genesis'),
    );
    expect(() => readGenesis(opened(log), { ...log.key, name: 'log.elsewhere' })).toThrow(code('wrong-genesis'));
  });
});

describe('checkReceipt', () => {
  const sealed = (log: WorldLog, index: number) => ({
    ...{ index: BigInt(index), row: log.rows[index]! },
    seal: log.seals.find(({ size }) => size > index && size > 1n)!,
  });
  const keys = (log: WorldLog) =>
    readGenesis(new LogCheck(log.world.origin).add([...log.bundles()][0]!), log.key).log.receiptKeys;
  const judge = (log: WorldLog, index: number, bytes: Uint8Array) =>
    checkReceipt(bytes, sealed(log, index), log.world.origin, keys(log));

  it('agrees with the receipt of every entry', () => {
    const log = makeLog();
    for (const index of log.rows.keys()) judge(log, index, log.receipt(index));
  });

  it.each<[string, string, (log: WorldLog) => Uint8Array]>([
    ['other-log', 'of another log', () => makeLog().receipt(5)],
    ['other-log', 'that names another log', (log) => log.receipt(5, { origin: 'log.elsewhere.example' })],
    ['wrong-receipt', 'of another entry', (log) => log.receipt(6)],
    ['wrong-receipt', 'over a later head', (log) => log.receipt(5, { size: 8 })],
    ['wrong-receipt', 'that is none', () => encodeUtf8('no receipt')],
  ])('finds %s: a receipt %s', (name, _what, make) => {
    const log = makeLog();
    expect(() => judge(log, 5, make(log))).toThrow(code(name));
  });

  it('finds a receipt with another date', () => {
    const log = makeLog();
    const bytes = log.receipt(7);
    expect(parseReceipt(bytes).issuedAt).toEqual(log.seals[7]!.committedAt);
    log.seals[7] = { ...log.seals[7]!, committedAt: log.world.later(500) };
    expect(() => judge(log, 7, bytes)).toThrow(code('wrong-receipt'));
  });
});

describe('TileBuilder', () => {
  it('makes the tiles of any tree, also when it goes on from its partial ones', () => {
    const leaves = Array.from({ length: 66_000 }, (_, n) => hashLeaf(encodeUtf8(String(n))));
    const tiles = new Map<string, Uint8Array>();
    const keep = (made: ReturnType<TileBuilder['add']>) =>
      made.forEach(({ ref, bytes }) => tiles.set(tilePath(ref), bytes));
    const load = (ref: Parameters<typeof tilePath>[0]) => tiles.get(tilePath(ref))!;
    const whole = new TileBuilder();
    for (const [from, to] of [
      [0, 1],
      [1, 255],
      [255, 256],
      [256, 700],
      [700, 65_536],
      [65_536, 66_000],
    ] as const) {
      const builder = TileBuilder.at(BigInt(from), load);
      keep(builder.add(leaves.slice(from, to)));
      keep(builder.partial());
      whole.add(leaves.slice(from, to));
      expect(builder.partial()).toEqual(whole.partial());
      const range = rangeFromTiles(BigInt(to), load);
      const checked = new LogCheck('log.example', range);
      expect(checked.root).toEqual(rootFromTiles(BigInt(to), load));
      checked.conclude({
        origin: 'log.example',
        size: BigInt(to),
        root: rootFromTiles(BigInt(to), load),
        extensions: [],
      });
    }
  });
});
