import { areEqualBytes } from '@margo-trust/bytes';
import { decodeCbor, encodeCbor, type CborValue } from '@margo-trust/cbor';
import { sha256 } from '@margo-trust/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AuditorFault,
  encodeEvidence,
  encodeSeals,
  EvidenceEncoder,
  evidencePath,
  parseEvidence,
  parseEvidencePath,
  parseSeals,
  type EvidenceRow,
  type LogEvidence,
} from '../src/index.ts';

const CHAIN = [Uint8Array.of(1, 2), Uint8Array.of(3)];

function rowOf(n: number, change: Partial<EvidenceRow> = {}): EvidenceRow {
  const body = Uint8Array.of(n, n >> 8);
  return {
    kind: 'statement',
    entry: sha256(body),
    body,
    registeredAt: new Date(1_700_000_000_123 + n),
    contentType: 'application/x',
    issuer: 'https://vendor.example/',
    subject: `oci:image:${n}`,
    chain: [],
    mentions: [],
    ...change,
  };
}

const BUNDLE: LogEvidence = {
  origin: 'log.example',
  first: 512n,
  rows: [
    rowOf(0, {
      vendorId: 'v1',
      applicationId: 'com-acme-app',
      version: '1.0.0',
      certificate: sha256(Uint8Array.of(9)),
      chain: CHAIN,
      timestampToken: Uint8Array.of(7),
      mentions: ['host/app:1', 'sha256:00'],
    }),
    rowOf(1, { kind: 'raw' }),
    rowOf(2, { chain: CHAIN.map((der) => der.slice()) }),
  ],
  seals: [{ size: 513n, root: sha256(Uint8Array.of(5)), committedAt: new Date(1_700_000_000_999) }],
};
const { body: _, ...ERASED } = rowOf(3, { kind: 'erased' });

describe('a bundle of evidence', () => {
  it('is read as it was written, erased rows included', () => {
    const bundle = { ...BUNDLE, rows: [...BUNDLE.rows, ERASED] };
    expect(parseEvidence(encodeEvidence(bundle))).toEqual(bundle);
  });

  it('is deterministic CBOR and holds each chain once', () => {
    const bytes = encodeEvidence(BUNDLE);
    const value = decodeCbor(bytes) as readonly CborValue[];
    expect(areEqualBytes(encodeCbor(value), bytes)).toBe(true);
    expect(value[4]).toEqual([CHAIN]);
  });

  it.each([1, 23, 24, 255, 256])('of %i rows is the same in pieces', (count) => {
    const rows = Array.from({ length: count }, (_, n) => rowOf(n));
    const encoder = new EvidenceEncoder('log.example', 0n, count);
    const pieces = [encoder.begin(), ...rows.map((row) => encoder.row(row)), encoder.end([])];
    const whole = encodeEvidence({ origin: 'log.example', first: 0n, rows, seals: [] });
    expect(Buffer.concat(pieces).equals(whole)).toBe(true);
    expect(parseEvidence(whole).rows).toHaveLength(count);
  });

  it('may say more at its end and at the end of its rows', () => {
    const [type, origin, first, rows, ...rest] = decodeCbor(encodeEvidence(BUNDLE)) as readonly CborValue[];
    const longer = (rows as readonly (readonly CborValue[])[]).map((row) => [...row, 'news']);
    expect(parseEvidence(encodeCbor([type, origin, first, longer, ...rest, 'more']))).toEqual(BUNDLE);
  });

  /** The bundle with one thing changed. */
  const changed = (change: (items: CborValue[], row: CborValue[]) => void) => {
    const items = [...(decodeCbor(encodeEvidence(BUNDLE)) as readonly CborValue[])];
    const row = [...((items[3] as readonly CborValue[])[0] as readonly CborValue[])];
    items[3] = [row];
    change(items, row);
    return encodeCbor(items);
  };
  it.each<[string, (items: CborValue[], row: CborValue[]) => void]>([
    ['another type', (items) => (items[0] = 'margo.log-evidence.v2')],
    ['a first row between bundles', (items) => (items[2] = 5)],
    ['no rows', (items) => (items[3] = [])],
    ['too many rows', (items) => (items[3] = Array.from({ length: 257 }, () => (items[3] as CborValue[])[0]))],
    ['an unknown kind', (_, row) => (row[0] = 3)],
    ['a statement without body', (_, row) => (row[2] = null)],
    ['an erased row with body', (_, row) => (row[0] = 2)],
    ['a chain that is not there', (_, row) => (row[11] = 1)],
    ['a short entry', (_, row) => (row[1] = new Uint8Array(31))],
    ['a time beyond all calendars', (_, row) => (row[3] = 253_402_300_800_000)],
    ['a number for a text', (_, row) => (row[4] = 4)],
    ['a row cut short', (_, row) => row.pop()],
  ])('is refused with %s', (_name, change) => {
    expect(() => parseEvidence(changed(change))).toThrow(expect.objectContaining({ code: 'audit/bad-evidence' }));
  });

  it('gives a value or a fault for any bytes', () => {
    const bytes = encodeEvidence(BUNDLE);
    const flips = fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(fc.array(flips, { minLength: 1, maxLength: 4 }), (changes) => {
        const damaged = bytes.slice();
        for (const [at, mask] of changes) damaged[at] = (damaged[at] ?? 0) ^ mask;
        try {
          parseEvidence(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(AuditorFault);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a page of seals', () => {
  it('is read as it was written', () => {
    expect(parseSeals(encodeSeals('log.example', BUNDLE.seals))).toEqual({
      origin: 'log.example',
      seals: BUNDLE.seals,
    });
    expect(() => parseSeals(encodeEvidence(BUNDLE))).toThrow(AuditorFault);
  });
});

describe('paths of evidence', () => {
  it.each([
    [0n, 256, 'evidence/000'],
    [1234067n, 256, 'evidence/x001/x234/067'],
    [0n, 5, 'evidence/000.p/5'],
  ])('%s, %i is %s', (index, width, path) => {
    expect(evidencePath(index, width)).toBe(path);
    expect(parseEvidencePath(path)).toEqual({ index, width });
  });

  it.each(['evidence/0', 'evidence/000.p/256', 'evidence/x000/001', 'tile/entries/000', 'evidence/', ''])(
    'refuses %j',
    (path) => {
      expect(() => parseEvidencePath(path)).toThrow(AuditorFault);
    },
  );
});
