import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeUtf8 } from '@margo-trust/bytes';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import { Fault } from '@margo-trust/fault';
import { EMPTY_ROOT, hashChildren, hashLeaf, type Hash } from '@margo-trust/merkle';
import {
  encodeAddCheckpoint,
  encodeCheckpoint,
  encodeNote,
  encodeSignatureLines,
  encodeSignSubtree,
  encodeSizeAnswer,
  judgeCheckpoint,
  judgeSubtree,
  originOfRequest,
  parseAddCheckpoint,
  parseNote,
  parseSignatureLines,
  parseSignSubtree,
  parseSizeAnswer,
} from '../src/index.ts';
import { logSigner, mlDsaSigner, refusal, utf8, witnessSigner, type TestSigner } from './signers.ts';

const ORIGIN = 'log.example';
const log = logSigner(ORIGIN);
const leaves = Array.from({ length: 4 }, (_, i) => hashLeaf(utf8(`leaf ${i}`)));
const [a, b, c, d] = leaves as [Hash, Hash, Hash, Hash];
const [ab, cd] = [hashChildren(a, b), hashChildren(c, d)];
const ROOTS = [EMPTY_ROOT, a, ab, hashChildren(ab, c), hashChildren(ab, cd)];

function checkpoint(size: number, root = ROOTS[size]!, signers: TestSigner[] = [log]): Uint8Array {
  const text = encodeCheckpoint({ origin: ORIGIN, size: BigInt(size), root, extensions: [] });
  return encodeNote({ text, signatures: signers.map((signer) => signer.sign(text)) });
}

/** From 2 to 4 leaves: the right half of the tree. */
const REQUEST = { oldSize: 2n, path: [cd], checkpoint: checkpoint(4) };
const LATEST = { size: 2n, root: ab };

describe('add-checkpoint', () => {
  it('comes back from its bytes', () => {
    const bytes = encodeAddCheckpoint(REQUEST);
    expect(parseAddCheckpoint(bytes)).toEqual(REQUEST);
    expect(originOfRequest(REQUEST)).toBe(ORIGIN);
    expect(new TextDecoder().decode(bytes).startsWith('old 2\n')).toBe(true);
  });

  it.each([
    ['nothing', ''],
    ['no empty line', 'old 0\n'],
    ['no old size', '\n\nx'],
    ['a size with leading zeros', 'old 02\n\nx'],
    ['two spaces', 'old  2\n\nx'],
    ['a negative size', 'old -1\n\nx'],
    ['a hash that is none', 'old 2\nQUJD\n\nx'],
    ['64 hashes', `old 2\n${`${'A'.repeat(43)}=\n`.repeat(64)}\nx`],
    ['a carriage return', 'old 2\r\n\r\nx'],
  ])('is refused with %s', (_, text) => {
    expect(() => parseAddCheckpoint(utf8(text))).toThrow(refusal('tlog/bad-request'));
  });

  it('takes 63 hashes', () => {
    expect(parseAddCheckpoint(utf8(`old 2\n${`${'A'.repeat(43)}=\n`.repeat(63)}\nx`)).path).toHaveLength(63);
  });

  it('is granted for what continues the tree, with the signatures of the log alone', () => {
    const both = { ...REQUEST, checkpoint: checkpoint(4, ROOTS[4], [log, witnessSigner('w.example'), log]) };
    const { checkpoint: granted, note } = judgeCheckpoint(both, [log.key], LATEST);
    expect(granted).toMatchObject({ origin: ORIGIN, size: 4n });
    expect(note).toEqual(parseNote(checkpoint(4)));
  });

  it.each([
    ['the first tree', { oldSize: 0n, path: [], checkpoint: checkpoint(3) }, undefined],
    ['the same tree again', { oldSize: 2n, path: [], checkpoint: checkpoint(2) }, LATEST],
    ['an empty tree', { oldSize: 0n, path: [], checkpoint: checkpoint(0) }, undefined],
    [
      'what follows an empty tree',
      { oldSize: 0n, path: [], checkpoint: checkpoint(1) },
      { size: 0n, root: EMPTY_ROOT },
    ],
  ])('is granted for %s', (_, request, latest) => {
    expect(() => judgeCheckpoint(request, [log.key], latest)).not.toThrow();
  });

  const fork = checkpoint(4, hashChildren(ab, hashChildren(c, c)));
  it.each([
    ['a note that is none', { ...REQUEST, checkpoint: utf8('x') }, LATEST, 'tlog/bad-request'],
    ['an old size above the new', { ...REQUEST, oldSize: 5n }, LATEST, 'tlog/bad-request'],
    [
      'another signer',
      { ...REQUEST, checkpoint: checkpoint(4, ROOTS[4], [logSigner(ORIGIN)]) },
      LATEST,
      'tlog/unknown-signer',
    ],
    ['a wrong signature', { ...REQUEST, checkpoint: tampered(checkpoint(4)) }, LATEST, 'tlog/bad-signature'],
    ['an old size of before', { ...REQUEST, oldSize: 1n }, LATEST, 'tlog/size-conflict'],
    ['an old size of nothing', { ...REQUEST, oldSize: 0n, path: [] }, LATEST, 'tlog/size-conflict'],
    ['an old size that was never cosigned', REQUEST, undefined, 'tlog/size-conflict'],
    [
      'a rollback',
      { oldSize: 4n, path: [], checkpoint: checkpoint(2) },
      { size: 4n, root: ROOTS[4]! },
      'tlog/bad-request',
    ],
    [
      'a rollback that is honest about it',
      { oldSize: 2n, path: [], checkpoint: checkpoint(2) },
      { size: 4n, root: ROOTS[4]! },
      'tlog/size-conflict',
    ],
    ['a fork', { ...REQUEST, checkpoint: fork }, LATEST, 'tlog/not-consistent'],
    ['a proof from another tree', REQUEST, { size: 2n, root: cd }, 'tlog/not-consistent'],
    ['no proof', { ...REQUEST, path: [] }, LATEST, 'tlog/not-consistent'],
    ['too long a proof', { ...REQUEST, path: [cd, cd] }, LATEST, 'tlog/not-consistent'],
    ['a proof from nothing', { oldSize: 0n, path: [cd], checkpoint: checkpoint(4) }, undefined, 'tlog/not-consistent'],
    [
      'another tree of the same size',
      { oldSize: 2n, path: [], checkpoint: checkpoint(2, cd) },
      LATEST,
      'tlog/not-consistent',
    ],
    [
      'a proof between same sizes',
      { oldSize: 2n, path: [cd], checkpoint: checkpoint(2) },
      LATEST,
      'tlog/not-consistent',
    ],
    [
      'an empty tree with leaves',
      { oldSize: 0n, path: [], checkpoint: checkpoint(0, ab) },
      undefined,
      'tlog/not-consistent',
    ],
  ] as const)('is refused for %s', (_, request, latest, code) => {
    expect(() => judgeCheckpoint(request, [log.key], latest)).toThrow(refusal(code));
  });

  it('is refused for a log without keys, or whose keys are for another origin', () => {
    expect(() => judgeCheckpoint(REQUEST, [], LATEST)).toThrow(refusal('tlog/unknown-log'));
    expect(() => judgeCheckpoint(REQUEST, [logSigner('other').key], LATEST)).toThrow(refusal('tlog/unknown-log'));
  });

  it('agrees with every consistency vector of RFC 6962 trees', () => {
    const directory = join(import.meta.dirname, '../../../test/vectors/tlog/rfc6962-merkle/consistency');
    const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.json'),
    );
    expect(files.length).toBeGreaterThan(50);
    for (const file of files) {
      const vector = JSON.parse(readFileSync(join(directory, file), 'utf8')) as ConsistencyVector;
      const [root1, root2] = [bytes(vector.root1), bytes(vector.root2)];
      if (vector.size1 <= 0 || vector.size2 <= 0 || root1.length !== 32 || root2.length !== 32) continue;
      const request = {
        oldSize: BigInt(vector.size1),
        path: (vector.proof ?? []).map(bytes),
        checkpoint: checkpoint(vector.size2, root2),
      };
      const judge = () => judgeCheckpoint(request, [log.key], { size: BigInt(vector.size1), root: root1 });
      if (vector.wantErr) expect(judge, file).toThrow(Fault);
      else expect(judge, file).not.toThrow();
    }
  });
});

describe('sign-subtree', () => {
  const witness = mlDsaSigner('w.example');
  const cosigned = checkpoint(4, ROOTS[4], [log, witness]);
  const request = { start: 2n, end: 4n, hash: cd, path: [ab], checkpoint: cosigned };
  const judge = (change: object) => judgeSubtree({ ...request, ...change }, [witness.key], verifyMlDsa44);

  it('comes back from its bytes', () => {
    expect(parseSignSubtree(encodeSignSubtree(request))).toEqual(request);
    for (const text of [
      'subtree 2\nx\n\n',
      'subtree 2 4\n\nx',
      'subtree 2 4 5\n\nx',
      `tree 2 4\n${'A'.repeat(43)}=\n\nx`,
    ]) {
      expect(() => parseSignSubtree(utf8(text))).toThrow(refusal('tlog/bad-request'));
    }
  });

  it('is granted for a part of a tree that this witness cosigned', () => {
    expect(judge({})).toEqual({ origin: ORIGIN, start: 2n, end: 4n, hash: cd });
  });

  it.each([
    ['a range that is no subtree', { start: 1n, end: 4n }, 'tlog/bad-request'],
    ['a range beyond the tree', { start: 4n, end: 8n }, 'tlog/bad-request'],
    ['another hash', { hash: ab }, 'tlog/not-consistent'],
    ['another path', { path: [cd] }, 'tlog/not-consistent'],
    ['no cosignature of this witness', { checkpoint: checkpoint(4) }, 'tlog/unknown-signer'],
    ['a wrong cosignature', { checkpoint: tampered(cosigned) }, 'tlog/bad-signature'],
  ])('is refused for %s', (_, change, code) => {
    expect(() => judge(change)).toThrow(refusal(code));
  });
});

describe("a witness's answer", () => {
  it('comes back from its bytes', () => {
    const signatures = [witnessSigner('w.example'), mlDsaSigner('w.example')].map((s) => s.sign(textOf(checkpoint(2))));
    const body = encodeSignatureLines(signatures);
    expect(new TextDecoder().decode(body).startsWith('\u2014 w.example ')).toBe(true);
    expect(parseSignatureLines(body)).toEqual(signatures);
    for (const text of ['', '\n', `\n${new TextDecoder().decode(body)}`, 'ok\n']) {
      expect(() => parseSignatureLines(encodeUtf8(text))).toThrow(refusal('tlog/bad-note'));
    }
  });

  it('may be a size', () => {
    expect(parseSizeAnswer(encodeSizeAnswer((1n << 64n) - 1n))).toBe((1n << 64n) - 1n);
    for (const text of ['', '\n', '12', '012\n', '12\n\n', `${1n << 64n}\n`, '9'.repeat(1000)]) {
      expect(() => parseSizeAnswer(encodeUtf8(text))).toThrow(refusal('tlog/bad-request'));
    }
  });
});

it('any bytes give a value or a fault', () => {
  const parsers = [parseAddCheckpoint, parseSignSubtree, parseSignatureLines, parseSizeAnswer];
  const pieces = fc.constantFrom(
    'old ',
    'subtree ',
    '0',
    '2',
    ' ',
    '\n',
    '\n\n',
    `${'A'.repeat(43)}=`,
    '\u2014 w QUJDREU=\n',
    'é',
  );
  const inputs = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.array(pieces).map((parts) => utf8(parts.join(''))),
  );
  fc.assert(
    fc.property(inputs, fc.constantFrom(...parsers), (bytes, parse) => {
      try {
        parse(bytes);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
      }
    }),
  );
});

interface ConsistencyVector {
  size1: number;
  size2: number;
  root1: string;
  root2: string;
  proof: string[] | null;
  wantErr: boolean;
}

/** With one bit of the last signature changed. */
function tampered(note: Uint8Array): Uint8Array {
  const parsed = parseNote(note);
  const last = parsed.signatures.at(-1)!;
  last.signature[last.signature.length - 1]! ^= 1;
  return encodeNote(parsed);
}

const textOf = (note: Uint8Array) => parseNote(note).text;
const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));
