import { parseBase64, parseBase64Url } from '@margo-trust/bytes';
import { parsePublicKey } from '@margo-trust/crypto';
import { hashLeaf } from '@margo-trust/merkle';
import {
  assembleReceipt,
  parseReceipt,
  parseSignedRoot,
  verifyConsistencyReceipt,
  verifyReceipt,
  verifySignedRoot,
  type ReceiptKey,
} from '@margo-trust/receipt';
import {
  inclusionFromTiles,
  hashesForInclusion,
  parseCheckpoint,
  parseEntryBundle,
  parseNote,
  rootFromTiles,
  tilePath,
  tilesForNodes,
} from '@margo-trust/tlog';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admitVendor, issueTo, makeCsr } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';

describe('the log as COSE', () => {
  let registry: TestRegistry;
  let keys: ReceiptKey[];

  beforeAll(async () => {
    registry = await startTestRegistry();
    const vendor = await admitVendor(registry);
    for (let i = 0; i < 3; i++) await issueTo(registry, vendor, makeCsr().pem);
    const { origin, receiptKeys } = (await (await fetch(`${registry.url}/log/log.json`)).json()) as Description;
    keys = receiptKeys.map(({ kid, spki, issuer }) => {
      const key = parsePublicKey(parseBase64(spki));
      return { kid: parseBase64Url(kid), key, issuer, origin, leafFormat: 'cose-digest' };
    });
  });
  afterAll(() => registry?.close());

  it('shows the root of the published checkpoint, signed', async () => {
    const signed = await bytes('/log/checkpoint.cose');
    const note = parseCheckpoint(parseNote(await bytes('/log/checkpoint')).text);
    expect(verifySignedRoot(signed, keys)).toMatchObject({ origin: note.origin, size: note.size, root: note.root });
  });

  it('lets anyone make receipts from static files', async () => {
    const signed = parseSignedRoot(await bytes('/log/checkpoint.cose'));
    const size = signed.signedSize;
    const entries = parseEntryBundle(await bytes(`/log/tile/entries/000.p/${size}`));
    const tiles = new Map<string, Uint8Array>();
    for (let index = 0n; index < size; index++) {
      for (const ref of tilesForNodes(hashesForInclusion(index, size), size)) {
        if (!tiles.has(tilePath(ref))) tiles.set(tilePath(ref), await bytes(`/log/${tilePath(ref)}`));
      }
    }
    const load = (ref: Parameters<typeof tilePath>[0]) => tiles.get(tilePath(ref))!;
    expect(rootFromTiles(size, load)).toEqual(signed.root);
    for (const [i, entry] of entries.entries()) {
      const index = BigInt(i);
      const receipt = assembleReceipt(signed, { index, path: inclusionFromTiles(index, size, load) });
      expect(parseReceipt(receipt).signedSize).toBe(size);
      expect(verifyReceipt(receipt, { entry, stripped: entry }, keys)).toMatchObject({ index, root: signed.root });
    }
  });

  it('shows that its tree continues every smaller one', async () => {
    const { size, root } = verifySignedRoot(await bytes('/log/checkpoint.cose'), keys);
    const entries = parseEntryBundle(await bytes(`/log/tile/entries/000.p/${size}`));
    for (let from = 1n; from < size; from++) {
      const tile = await bytes(`/log/tile/0/000.p/${from}`);
      const older = { size: from, root: rootFromTiles(from, () => tile) };
      const receipt = await bytes(`/log/consistency?from=${from}&to=${size}`);
      expect(verifyConsistencyReceipt(receipt, older, keys)).toMatchObject({ size, root });
      expect(await bytes(`/log/consistency?from=${from}`)).toEqual(receipt);
      const other = { size: from, root: hashLeaf(entries[0]!.slice(1)) };
      expect(() => verifyConsistencyReceipt(receipt, other, keys)).toThrow();
    }
    const answer = await fetch(`${registry.url}/log/consistency?from=1&to=${size}`);
    expect(answer.headers.get('content-type')).toBe('application/cose');
    expect(answer.headers.get('cache-control')).toContain('immutable');
    expect((await fetch(`${registry.url}/log/consistency?from=1`)).headers.get('cache-control')).not.toContain(
      'immutable',
    );
  });

  it.each([
    ['', 400, 'http/invalid-query'],
    ['from=0', 400, 'http/invalid-query'],
    ['from=01', 400, 'http/invalid-query'],
    ['from=-1', 400, 'http/invalid-query'],
    ['from=1&from=2', 400, 'http/invalid-query'],
    ['from=1&to=', 400, 'http/invalid-query'],
    ['from=1&until=2', 400, 'http/invalid-query'],
    ['from=99999999999999999999', 400, 'http/invalid-query'],
    ['from=1&to=9223372036854775807', 404, 'log/no-such-proof'],
    ['from=1&to=9999999999999999999', 404, 'log/no-such-proof'],
    ['from=2&to=2', 404, 'log/no-such-proof'],
    ['from=3&to=2', 404, 'log/no-such-proof'],
    ['from=1000000', 404, 'log/no-such-proof'],
  ])('answers the question "%s" with %i %s', async (query, status, code) => {
    const answer = await fetch(`${registry.url}/log/consistency?${query}`);
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([status, code]);
  });

  async function bytes(path: string): Promise<Uint8Array> {
    const answer = await fetch(registry.url + path);
    if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}`);
    return new Uint8Array(await answer.arrayBuffer());
  }
});

interface Description {
  origin: string;
  receiptKeys: { kid: string; spki: string; issuer: string }[];
}
