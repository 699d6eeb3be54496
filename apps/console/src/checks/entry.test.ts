import { beforeAll, describe, expect, it } from 'vitest';
import { parseStatement } from '@margo-trust/statement';
import { keepCheckpoint, type Memory } from '../memory.ts';
import { makeWorld, NOW, shortMemory, VENDOR_NAME, type World, type WorldOptions } from '../testing/world.ts';
import { entrySentence } from '../sentence.ts';
import { verifyEntry, type Claimed, type EntryFindings } from './entry.ts';
import type { Source } from './source.ts';
import { overall } from './steps.ts';

const RELEASE = 8; // index of the release statement in every world

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});

interface Circumstances {
  at?: World;
  source?: Source;
  memory?: Memory;
  claimed?: Partial<Claimed>;
}

async function look(index: number, circumstances: Circumstances = {}) {
  const { at = world, memory = shortMemory(), claimed = {} } = circumstances;
  const { source = at.source } = circumstances;
  return verifyEntry({ ...(await at.claimed(index)), ...claimed }, { source, memory, now: NOW }, () => undefined);
}

function outcomes({ steps }: EntryFindings) {
  return Object.fromEntries(steps.map(({ id, outcome }) => [id, outcome]));
}

describe('verifyEntry', () => {
  it('finds that everything holds for a release', async () => {
    const findings = await look(RELEASE);
    expect(findings.steps.filter(({ outcome }) => outcome !== 'holds')).toEqual([]);
    const sentence = entrySentence(findings, NOW);
    expect(sentence.outcome).toBe('holds');
    expect(sentence.said).toBe(
      `${VENDOR_NAME} signed release 1.2.1 of com-northstartida-digitron-orchestrator with its package, 2 components and 1 image. ` +
        'It is entry 8 of the log, and as of 1 minute ago nothing has taken the trust back.',
    );
  });

  it('finds that everything holds for each kind of entry', async () => {
    for (const { index } of world.entries) expect(overall((await look(index)).steps)).toBe('holds');
  });

  it('tells each result as soon as it is known, and none before', async () => {
    const shown: string[][] = [];
    await verifyEntry(
      await world.claimed(RELEASE),
      { source: world.source, memory: shortMemory(), now: NOW },
      ({ steps }) => shown.push(steps.map(({ outcome }) => outcome)),
    );
    expect(shown.map((steps) => steps.filter((outcome) => outcome === 'holds').length)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8,
    ]);
  });

  it('refuses a statement that is filed under another EntryID', async () => {
    const other = await world.claimed(RELEASE - 1);
    const findings = await look(RELEASE, { claimed: { entryId: other.entryId } });
    expect(outcomes(findings)).toMatchObject({
      statement: 'fails',
      receipt: 'open',
      inclusion: 'open',
      signer: 'open',
    });
    expect(entrySentence(findings, NOW).title).toBe('Do not rely on this entry');
  });

  it('refuses a receipt for another index', async () => {
    expect(outcomes(await look(RELEASE, { claimed: { index: 1n } })).receipt).toBe('fails');
  });

  it('never calls an entry checked when a byte of its statement, a tile or the checkpoint is flipped', async () => {
    const { statement } = await world.claimed(RELEASE);
    const { protectedBytes, payload, signature } = parseStatement(statement).cose;
    const unsigned = statement.length - protectedBytes.length - (payload?.length ?? 0) - signature.length;
    for (let n = 5; n < statement.length - unsigned; n += 37) {
      // Certificates and receipts in the middle are nobody's promise; each has a check of its own.
      const at = n < protectedBytes.length ? n : n + unsigned;
      const findings = await look(RELEASE, { claimed: { statement: flipped(statement, at) } });
      expect(overall(findings.steps), `byte ${at}`).toBe('fails');
    }
    const lying: Source = { ...world.source, tile: async (path) => flipped(await world.source.tile(path), 5) };
    expect(outcomes(await look(RELEASE, { source: lying })).inclusion).toBe('fails');
    const forged: Source = { ...world.source, checkpoint: async () => flipped(await world.source.checkpoint(), 40) };
    expect(outcomes(await look(RELEASE, { source: forged })).checkpoint).toBe('fails');
  });

  it('leaves open what cannot be fetched, and says so', async () => {
    const silent: Source = { ...world.source, tile: () => world.source.tufFile('nothing') };
    const findings = await look(RELEASE, { source: silent });
    expect(outcomes(findings)).toMatchObject({ inclusion: 'open', signer: 'holds' });
    expect(entrySentence(findings, NOW)).toMatchObject({ outcome: 'open', title: 'Not fully checked' });
  });
});

describe('the question whether it is still good', () => {
  const earlier = new Date('2026-11-20T00:00:00Z');
  const later = new Date('2026-11-25T21:29:30Z');
  const standing = async (options: WorldOptions) =>
    outcomes(await look(RELEASE, { at: await makeWorld(options) })).standing;

  it('is answered no after a compromise without a date, and from the invalidity date on', async () => {
    expect(await standing({ revoked: { reason: 'keyCompromise', revokedAt: later } })).toBe('fails');
    expect(await standing({ revoked: { reason: 'keyCompromise', revokedAt: later, invalidityDate: earlier } })).toBe(
      'fails',
    );
  });

  it('is answered yes for a signature before an orderly replacement', async () => {
    const revokedAt = new Date(NOW.getTime() + 60_000);
    expect(await standing({ revoked: { reason: 'superseded', revokedAt } })).toBe('holds');
    expect(await standing({ revoked: { reason: 'superseded', revokedAt: earlier } })).toBe('fails');
  });

  it('is answered no for an application that the vendor may not sign any more', async () => {
    expect(await standing({ applicationIdPrefixes: [] })).toBe('fails');
  });

  it('is answered no for a suspended vendor and for a revoked artifact', async () => {
    expect(await standing({ vendorStatus: 'suspended' })).toBe('fails');
    expect(await standing({ revokedDigests: [world.release.package.digest] })).toBe('fails');
  });
});

describe('between visits', () => {
  it('accepts a log that has grown and refuses one that has shrunk', async () => {
    const memory = shortMemory();
    expect(outcomes(await look(RELEASE, { memory })).history).toBe('holds');
    const grown = await world.grown(300);
    expect(outcomes(await look(RELEASE, { at: grown, memory })).history).toBe('holds');
    const source: Source = { ...world.source, tufFile: grown.source.tufFile };
    expect(outcomes(await look(RELEASE, { source, memory })).history).toBe('fails');
  });

  it('takes an older checkpoint for what it is while the log still has what it signed since', async () => {
    const memory = shortMemory();
    const grown = await world.grown(3);
    await look(RELEASE, { at: grown, memory });
    const source: Source = { ...grown.source, checkpoint: world.source.checkpoint };
    expect(outcomes(await look(RELEASE, { at: grown, source, memory })).history).toBe('holds');
  });

  it('refuses a log that signed another tree of the same size', async () => {
    const memory = shortMemory();
    const size = BigInt(world.entries.length);
    keepCheckpoint(memory, 'log.registry.localhost', { size, root: flipped(world.root, 0), seen: NOW });
    expect(outcomes(await look(RELEASE, { memory })).history).toBe('fails');
  });

  it('refuses a trust root that goes back to an earlier version', async () => {
    const memory = shortMemory();
    await look(RELEASE, { at: await world.grown(1), memory });
    expect(outcomes(await look(RELEASE, { memory })).trust).toBe('fails');
  });

  it('refuses a registry whose trust root does not follow from the known one', async () => {
    const memory = shortMemory();
    await look(RELEASE, { memory });
    const other = await makeWorld({ fillers: 1 });
    expect(outcomes(await look(RELEASE, { at: other, memory })).trust).toBe('fails');
  });
});

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
