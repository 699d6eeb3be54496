import { describe, expect, it } from 'vitest';
import {
  makeKey,
  plainExtension,
  plainName,
  signPlainCertificate,
  signPlainCrl,
  TEST_DAY,
  type KeyPair,
  type PlainCrl,
} from '@margo-trust/testkit';
import {
  findRevocation,
  parseCertificate,
  parseCrl,
  verifyCrl,
  verifyCrlSuccession,
  verifyPath,
} from '../src/index.ts';
import type { Extension, PathRequest } from '../src/index.ts';

// RFC 5280 §5 and §6.3.3 beyond what path.test.ts asks of our own CRLs.
const [rootKey, caKey, crlKey, leafKey] = [0, 1, 2, 3].map(() => makeKey('P-256')) as [
  KeyPair,
  KeyPair,
  KeyPair,
  KeyPair,
];
const [rootName, caName, otherName, leafName] = ['root', 'ca', 'other', 'leaf'].map((name) => plainName(name)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
  Uint8Array,
];
const { basicConstraints, keyUsage, issuingDistributionPoint, distributionPoint, crlNumber, deltaOf, reason } =
  plainExtension;
const URL = 'http://crl.example/0.crl';
const CA_SERIAL = Uint8Array.of(0x41);
const LEAF_SERIAL = Uint8Array.of(0x42);
const SIGNER_SERIAL = Uint8Array.of(0x43);

function certificate(
  subject: { serial: Uint8Array; name: Uint8Array; key: KeyPair },
  issuer: { name: Uint8Array; key: KeyPair },
  extensions: readonly Extension[],
): Uint8Array {
  return signPlainCertificate(
    {
      serial: subject.serial,
      issuer: issuer.name,
      subject: subject.name,
      notBefore: new Date('2025-01-01T00:00:00Z'),
      notAfter: new Date('2035-01-01T00:00:00Z'),
      spki: subject.key.publicKey.spki,
      extensions,
    },
    issuer.key,
  );
}

function crl(issuer: { name: Uint8Array; key: KeyPair }, spec: Partial<PlainCrl> = {}): Uint8Array {
  return signPlainCrl(
    {
      issuer: issuer.name,
      thisUpdate: new Date('2026-05-31T00:00:00Z'),
      nextUpdate: new Date('2026-06-07T00:00:00Z'),
      extensions: [],
      ...spec,
    },
    issuer.key,
  );
}

const root = { name: rootName, key: rootKey };
const ca = { name: caName, key: caKey };
const other = { name: otherName, key: crlKey };
const anchor = certificate({ serial: Uint8Array.of(0x40), ...root }, root, [basicConstraints(true)]);
const issuing = certificate({ serial: CA_SERIAL, ...ca }, root, [basicConstraints(true), keyUsage(5, 6)]);
const leafWith = (...extensions: Extension[]) =>
  certificate({ serial: LEAF_SERIAL, name: leafName, key: leafKey }, ca, extensions);
const arl = crl(root);
const revoked = { serial: LEAF_SERIAL, revokedAt: TEST_DAY };
const fault = (code: string) => expect.objectContaining({ code: `x509/${code}` });

function verify(crls: readonly Uint8Array[], request: Partial<PathRequest> = {}) {
  const { intermediates = [], ...rest } = request;
  return verifyPath({
    leaf: leafWith(),
    anchors: [anchor],
    at: TEST_DAY,
    staleCrl: 'refuse',
    crls: [arl, ...crls],
    ...rest,
    intermediates: [issuing, ...intermediates],
  });
}

describe('reasons', () => {
  const keyOnly = crl(ca, { extensions: [issuingDistributionPoint({ reasons: [1, 2] })] });
  const rest = crl(ca, { extensions: [issuingDistributionPoint({ reasons: [3, 4, 5, 6, 7, 8] })] });

  it('must all be covered, by one CRL or by several', () => {
    expect(() => verify([keyOnly])).toThrow(fault('no-crl'));
    expect(() => verify([rest])).toThrow(fault('no-crl'));
    expect(verify([keyOnly, rest]).path).toHaveLength(3);
  });

  it('are limited by the distribution point as well', () => {
    const shard = crl(ca, { extensions: [issuingDistributionPoint({ url: URL })] });
    expect(verify([shard], { leaf: leafWith(distributionPoint(URL)) }).path).toHaveLength(3);
    expect(() => verify([shard], { leaf: leafWith(distributionPoint(URL, { reasons: [1] })) })).toThrow(
      fault('no-crl'),
    );
  });
});

describe('delta CRLs', () => {
  const delta = (entries: PlainCrl['entries'] = []) => crl(ca, { extensions: [crlNumber(2), deltaOf(1)], entries });
  const complete = crl(ca, { extensions: [crlNumber(1)] });

  it('do not stand in for a complete one', () => {
    expect(() => verify([delta()])).toThrow(fault('crl-delta'));
    expect(verify([delta(), complete]).path).toHaveLength(3);
    expect(() => verifyCrl(parseCrl(delta()), parseCertificate(issuing))).toThrow(fault('crl-delta'));
  });

  it('revoke, and do not take off a list', () => {
    expect(() => verify([complete, delta([revoked])])).toThrow(fault('revoked'));
    const onHold = crl(ca, { extensions: [crlNumber(1)], entries: [{ ...revoked, extensions: [reason(6)] }] });
    expect(() => verify([onHold, delta([{ ...revoked, extensions: [reason(8)] }])])).toThrow(fault('revoked'));
  });
});

describe('numbers', () => {
  const numbered = (number: number, day: string, entries: PlainCrl['entries'] = []) =>
    crl(ca, { extensions: [crlNumber(number)], thisUpdate: new Date(`2026-05-${day}T00:00:00Z`), entries });
  const held = [{ ...revoked, extensions: [reason(6)] }];

  it('end a hold when the later CRL no longer lists it, and nothing else', () => {
    expect(() => verify([numbered(1, '29', held)])).toThrow(fault('revoked'));
    expect(verify([numbered(1, '29', held), numbered(2, '30')]).path).toHaveLength(3);
    expect(() => verify([numbered(1, '29'), numbered(2, '30', held)])).toThrow(fault('revoked'));
    expect(() => verify([numbered(1, '29', [revoked]), numbered(2, '30')])).toThrow(fault('revoked'));
  });

  it('that contradict the times make both CRLs useless, and both still revoke', () => {
    expect(() => verify([numbered(1, '30'), numbered(2, '29')])).toThrow(fault('crl-not-usable'));
    expect(() => verify([numbered(1, '30', [revoked]), numbered(2, '29')])).toThrow(fault('revoked'));
  });

  it('must not fall in a cache', () => {
    const [one, two] = [parseCrl(numbered(1, '29')), parseCrl(numbered(2, '30'))];
    verifyCrlSuccession(one, two);
    verifyCrlSuccession(two, two);
    expect(() => verifyCrlSuccession(two, one)).toThrow(fault('crl-not-usable'));
    expect(() => verifyCrlSuccession(parseCrl(numbered(1, '30')), parseCrl(numbered(2, '29')))).toThrow(
      fault('crl-not-usable'),
    );
    expect(() => verifyCrlSuccession(one, parseCrl(arl))).toThrow(fault('crl-not-usable'));
    expect(() => verifyCrlSuccession(one, parseCrl(crl(ca)))).toThrow(fault('crl-not-usable'));
  });
});

describe('a key for CRLs alone', () => {
  const signed = crl({ name: caName, key: crlKey });
  const signer = (issuer: typeof root, ...extensions: Extension[]) =>
    certificate({ serial: SIGNER_SERIAL, name: caName, key: crlKey }, issuer, extensions);

  it('counts when the CA itself or the one above has certified it for that', () => {
    expect(() => verify([signed])).toThrow(fault('bad-signature'));
    expect(verify([signed], { intermediates: [signer(root, keyUsage(6))] }).path).toHaveLength(3);
    const ofCa = crl(ca, { extensions: [issuingDistributionPoint({ only: 'cas' })] });
    const selfIssued = certificate({ serial: SIGNER_SERIAL, name: caName, key: crlKey }, ca, [
      basicConstraints(true),
      keyUsage(6),
    ]);
    expect(verify([signed, ofCa], { intermediates: [selfIssued] }).path).toHaveLength(3);
  });

  it('does not count without cRLSign, from elsewhere, revoked, or when only it vouches for itself', () => {
    expect(() => verify([signed], { intermediates: [signer(root, keyUsage(5))] })).toThrow(fault('bad-signature'));
    expect(() => verify([signed], { intermediates: [signer(root)] })).toThrow(fault('bad-signature'));
    const elsewhere = { name: rootName, key: crlKey };
    expect(() => verify([signed], { intermediates: [signer(elsewhere, keyUsage(6))] })).toThrow(fault('bad-signature'));
    const selfIssued = certificate({ serial: SIGNER_SERIAL, name: caName, key: crlKey }, ca, [keyUsage(6)]);
    expect(() => verify([signed], { intermediates: [selfIssued] })).toThrow(fault('bad-signature'));
    const listed = crl(root, { entries: [{ serial: SIGNER_SERIAL, revokedAt: TEST_DAY }] });
    expect(() => verify([], { crls: [listed, signed], intermediates: [signer(root, keyUsage(6))] })).toThrow(
      fault('bad-signature'),
    );
  });
});

describe('indirect CRLs', () => {
  const signer = certificate({ serial: SIGNER_SERIAL, ...other }, root, [keyUsage(6)]);
  const idp = issuingDistributionPoint({ url: URL, isIndirect: true });
  const leaf = leafWith(distributionPoint(URL, { crlIssuer: otherName }));
  const indirect = (entries: PlainCrl['entries'] = []) => crl(other, { extensions: [idp], entries });
  const ofCa = { ...revoked, extensions: [plainExtension.certificateIssuer(caName)] };
  const accepted = { leaf, intermediates: [signer], indirectCrls: 'accept' } as const;

  it('are refused unless asked for', () => {
    expect(() => verify([indirect()], { ...accepted, indirectCrls: 'refuse' })).toThrow(fault('crl-indirect'));
    expect(verify([indirect()], accepted).path).toHaveLength(3);
    expect(() => verifyCrl(parseCrl(indirect()), parseCertificate(signer))).toThrow(fault('crl-indirect'));
  });

  it('speak for the issuer that an entry names, and those after it', () => {
    expect(() => verify([indirect([ofCa])], accepted)).toThrow(fault('revoked'));
    const first = { serial: Uint8Array.of(0x50), revokedAt: TEST_DAY, extensions: ofCa.extensions };
    expect(() => verify([indirect([first, revoked])], accepted)).toThrow(fault('revoked'));
    expect(verify([indirect([revoked])], accepted).path).toHaveLength(3); // the other CA's own 42
    expect(parseCrl(indirect([revoked, ofCa])).entriesOfOthers).toHaveLength(1);
  });

  it('count only where the certificate names their issuer', () => {
    const unnamed = leafWith(distributionPoint(URL));
    expect(() => verify([indirect()], { ...accepted, leaf: unnamed })).toThrow(fault('no-crl'));
    const direct = crl(other, { extensions: [issuingDistributionPoint({ url: URL })] });
    expect(() => verify([direct], accepted)).toThrow(fault('no-crl'));
  });

  it('alone may name issuers in their entries', () => {
    expect(parseCrl(crl(ca, { entries: [ofCa] })).hasUnknownCriticalEntry).toBe(true);
    expect(() => verify([crl(ca, { entries: [ofCa] })])).toThrow(fault('crl-not-usable'));
  });
});

describe('limits', () => {
  it('end the whole search: what was not looked at is never taken for good', () => {
    const many = Array.from({ length: 40 }, (_, i) => crl(ca, { extensions: [crlNumber(i)] }));
    expect(verify(many).path).toHaveLength(3);
    const request = { missingCrl: 'accept', limits: { maxSignatureChecks: 20 } } as const;
    expect(() => verify([...many, crl(ca, { entries: [revoked] })], request)).toThrow(fault('too-complex'));
  });
});

it('findRevocation judges one certificate by CRLs that any of its issuers has signed', () => {
  const request = { certificate: parseCertificate(leafWith()), issuers: [anchor, issuing].map(parseCertificate) };
  expect(findRevocation({ ...request, crls: [crl(ca)] })).toBeUndefined();
  expect(findRevocation({ ...request, crls: [crl(ca, { entries: [revoked] })] })?.serialHex).toBe('42');
  expect(() => findRevocation({ ...request, issuers: [], crls: [crl(ca)] })).toThrow(fault('no-crl'));
});
