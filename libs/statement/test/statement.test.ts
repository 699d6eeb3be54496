import { generateKeyPairSync, sign } from 'node:crypto';
import { CborFloat, CborTag, decodeCbor, encodeCbor, type CborMap, type CborValue } from '@margo-trust/cbor';
import { encodeCoseSign1, parseCoseSign1 } from '@margo-trust/cose';
import { parsePublicKey, sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  attachToStatement,
  CONTENT,
  draftArtifactStatement,
  draftStatement,
  encodeJsonPayload,
  finishStatement,
  parseArtifactSignature,
  parseStatement,
  verifyStatementSignature,
  type Draft,
  type TargetArtifact,
} from '../src/index.ts';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = parsePublicKey(Uint8Array.from(pair.publicKey.export({ type: 'spki', format: 'der' })));
const leafDer = Uint8Array.of(0x30, 3, 1, 2, 3); // the statement's reader looks at its digest only
const issuer = 'https://01jd5x7m8n9p0q1r2s3t4v5w6x.vendors.registry.example/';
const target: TargetArtifact = {
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: `sha256:${'ab'.repeat(32)}`,
  size: 444,
};
const signingTime = new Date('2026-11-23T20:03:35Z');

const signed = (draft: Draft) =>
  Uint8Array.from(sign('sha256', draft.toBeSigned, { key: pair.privateKey, dsaEncoding: 'ieee-p1363' }));
const draftOf = (artifact: TargetArtifact = target) =>
  draftArtifactStatement({
    algorithm: 'ES256',
    issuer,
    subject: `oci:app:${artifact.digest}`,
    target: artifact,
    signingTime,
    leafDer,
  });
const artifactStatement = (artifact?: TargetArtifact) => {
  const draft = draftOf(artifact);
  return finishStatement(draft, signed(draft), { chain: [leafDer], agent: 'test/1' });
};
const withProtected = (change: (header: Map<CborValue, CborValue>) => void) => {
  const cose = parseCoseSign1(artifactStatement());
  const header = new Map(decodeCbor(cose.protectedBytes) as CborMap);
  change(header);
  return encodeCoseSign1({ ...cose, protectedBytes: encodeCbor(header) });
};
const codeOf = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
  return 'accepted';
};

describe('an artifact signature', () => {
  it('reads back as it was drafted, under the signer’s key', () => {
    const statement = parseStatement(artifactStatement());
    verifyStatementSignature(statement, key);
    expect(statement).toMatchObject({ issuer, subject: `oci:app:${target.digest}`, contentType: CONTENT.artifact });
    expect(statement.issuedAt).toEqual(signingTime);
    expect(statement.x5t).toEqual(sha256(leafDer));
    expect(parseArtifactSignature(statement)).toEqual({ target, signingTime });
  });

  it('carries exactly the labels of the profile, the time as tag 1 integer', () => {
    const header = decodeCbor(parseCoseSign1(artifactStatement()).protectedBytes) as CborMap;
    expect([...header.keys()]).toEqual([1, 2, 3, 15, 34, 'io.cncf.notary.signingTime', 'io.cncf.notary.signingScheme']);
    expect(header.get('io.cncf.notary.signingTime')).toEqual(new CborTag(1, 1795464215));
    expect(header.get(2)).toEqual(['io.cncf.notary.signingScheme']);
  });

  it('keeps its EntryID when receipts, chain or time-stamp are attached', () => {
    const bytes = artifactStatement();
    const attached = attachToStatement(bytes, { receipts: [Uint8Array.of(0xd2)], timestampToken: Uint8Array.of(1) });
    const [before, after] = [parseStatement(bytes), parseStatement(attached)];
    expect(after.entryId).toBe(before.entryId);
    expect(after.receipts).toEqual([Uint8Array.of(0xd2)]);
    expect(after.timestampToken).toEqual(Uint8Array.of(1));
    expect(after.chain).toEqual([leafDer]);
    expect(parseStatement(after.stripped).entryId).toBe(before.entryId);
  });

  it.each<[string, (header: Map<CborValue, CborValue>) => void, string]>([
    ['no CWT claims', (h) => h.delete(15), 'statement/no-claims'],
    ['claims that are no map', (h) => h.set(15, 'iss'), 'statement/no-claims'],
    [
      'an issuer that is no URI',
      (h) =>
        h.set(
          15,
          new Map<CborValue, CborValue>([
            [1, 'acme'],
            [2, 's'],
          ]),
        ),
      'statement/bad-issuer',
    ],
    ['no subject', (h) => h.set(15, new Map<CborValue, CborValue>([[1, issuer]])), 'statement/bad-subject'],
    [
      'a subject with a NUL',
      (h) =>
        h.set(
          15,
          new Map<CborValue, CborValue>([
            [1, issuer],
            [2, 'a\0b'],
          ]),
        ),
      'statement/bad-subject',
    ],
    [
      'a time that is a text',
      (h) =>
        h.set(
          15,
          new Map<CborValue, CborValue>([
            [1, issuer],
            [2, 's'],
            [6, 'now'],
          ]),
        ),
      'statement/bad-time',
    ],
    ['a content type that is a number', (h) => h.set(3, 50), 'statement/no-content-type'],
    ['neither x5t nor kid', (h) => h.delete(34), 'statement/no-key-hint'],
    ['x5t with another hash', (h) => h.set(34, [-43, new Uint8Array(48)]), 'statement/bad-certificate-hash'],
    ['x5t of another certificate', (h) => h.set(34, [-16, new Uint8Array(32)]), 'statement/certificate-mismatch'],
  ])('is refused with %s', (_what, change, code) => {
    expect(codeOf(() => parseStatement(withProtected(change)))).toBe(code);
  });

  it.each<[string, (header: Map<CborValue, CborValue>) => void]>([
    ['no crit', (h) => h.delete(2)],
    ['another signing scheme', (h) => h.set('io.cncf.notary.signingScheme', 'notary.x509.signingAuthority')],
    ['a signing time without tag', (h) => h.set('io.cncf.notary.signingTime', 1795464215)],
    ['a signing time as text', (h) => h.set('io.cncf.notary.signingTime', new CborTag(0, '2026-11-23T20:03:35Z'))],
    ['no signing time', (h) => h.delete('io.cncf.notary.signingTime')],
    ['an expiry that is not critical', (h) => h.set('io.cncf.notary.expiry', new CborTag(1, 1895464215))],
    ['another content type', (h) => h.set(3, 'application/json')],
  ])('is none with %s', (_what, change) => {
    expect(codeOf(() => parseArtifactSignature(parseStatement(withProtected(change))))).toBe(
      'statement/not-artifact-profile',
    );
  });

  it('reads a critical expiry and a fractional time', () => {
    const bytes = withProtected((h) => {
      h.set(2, ['io.cncf.notary.signingScheme', 'io.cncf.notary.expiry']);
      h.set('io.cncf.notary.expiry', new CborTag(1, new CborFloat(1795464300.5)));
    });
    expect(parseArtifactSignature(parseStatement(bytes)).expiry).toEqual(new Date(1795464300_000));
  });

  it.each([
    ['no target', {}],
    ['a digest of another hash', { targetArtifact: { ...target, digest: 'md5:00' } }],
    ['a negative size', { targetArtifact: { ...target, size: -1 } }],
    ['a fractional size', { targetArtifact: { ...target, size: 1.5 } }],
    ['annotations that are no texts', { targetArtifact: { ...target, annotations: { a: 1 } } }],
    [
      'a reference with a space',
      { targetArtifact: { ...target, annotations: { 'org.margo.trust.reference': 'a b' } } },
    ],
  ])('is refused with a payload of %s', (_what, payload) => {
    const cose = parseCoseSign1(artifactStatement());
    const bytes = encodeCoseSign1({ ...cose, payload: encodeJsonPayload(payload) });
    expect(codeOf(() => parseArtifactSignature(parseStatement(bytes)))).toBe('statement/bad-target');
  });

  it('is refused when its payload is detached', () => {
    const { payload: _gone, ...cose } = parseCoseSign1(artifactStatement());
    expect(codeOf(() => parseStatement(encodeCoseSign1({ ...cose, payload: undefined })))).toBe(
      'statement/payload-missing',
    );
  });

  it('fails with any bit of protected header, payload or signature flipped', () => {
    const { stripped } = parseStatement(artifactStatement());
    for (let bit = 0; bit < stripped.length * 8; bit += 1) {
      const flipped = Uint8Array.from(stripped);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const code = codeOf(() => verifyStatementSignature(parseStatement(flipped), key));
      expect(code, `bit ${bit}`).not.toBe('accepted');
    }
  });
});

describe('another statement', () => {
  it('knows its issuer by key and carries no crit', () => {
    const draft = draftStatement({
      algorithm: 'ES256',
      issuer: 'https://registry.example',
      subject: 'vendor:01jd5x7m8n9p0q1r2s3t4v5w6x',
      contentType: CONTENT.record,
      payload: encodeJsonPayload({ record: 'vendor-admitted' }),
      issuedAt: signingTime,
      signer: { kid: Uint8Array.of(7) },
    });
    const statement = parseStatement(finishStatement(draft, signed(draft)));
    verifyStatementSignature(statement, key);
    expect(statement.kid).toEqual(Uint8Array.of(7));
    expect(statement.cose.protectedHeader.has(2)).toBe(false);
  });
});

describe('parseStatement', () => {
  it('gives a statement or a Fault for any bytes', () => {
    const sample = artifactStatement();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        codeOf(() => parseStatement(bytes));
      }),
    );
    fc.assert(
      fc.property(fc.nat(sample.length - 1), fc.nat(255), fc.nat(3), (at, value, cut) => {
        const mutated = Uint8Array.from(sample.subarray(0, sample.length - cut));
        if (at < mutated.length) mutated[at] = value;
        codeOf(() => parseArtifactSignature(parseStatement(mutated)));
      }),
    );
  });
});
