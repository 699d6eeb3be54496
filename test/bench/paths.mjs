import {
  makeCas,
  makeCrl,
  makeKey,
  makeLeaf,
  plainExtension,
  plainName,
  signPlainCertificate,
  TEST_DAY,
} from '@margo-trust/testkit';
import { OID, parseCertificate, parseCrl, verifyPath } from '@margo-trust/x509';
import { verifySignature } from '@margo-trust/crypto';

/**
 * Certification paths and CRLs on one core, in processor time, so that what else the machine does counts little. Every path is
 * parsed from DER and verified anew; only OpenSSL's form of the CAs' keys stays in memory, as it does in a service.
 */
export function measurePaths() {
  const small = p256Paths(500);
  const ours = ourPaths(200);
  const withCrls = { ...ours.request, crls: [makeCrl(ours.cas.root, { scope: { holds: 'cas' } }), shard(ours.cas)] };
  const entries = revoked(100_000);
  const crl = makeCrl(ours.cas.issuing, { entries });
  return [
    [
      'two-link paths, P-256 throughout',
      rate(4000, (i) => verifyPath({ ...small.request, leaf: at(small.leaves, i) })),
    ],
    ['of that, the two signatures', rate(4000, small.signatures)],
    [
      'two-link paths of our profile, P-384 CAs',
      rate(600, (i) => verifyPath({ ...ours.request, leaf: at(ours.leaves, i) })),
    ],
    ['of that, the two signatures', rate(600, ours.signatures)],
    [
      'the same with ARL and a shard of 1,000 entries, parsed anew',
      rate(300, (i) => verifyPath({ ...withCrls, leaf: at(ours.leaves, i) })),
    ],
    ['a certificate of our profile, parsed', rate(10_000, (i) => parseCertificate(at(ours.leaves, i)))],
    ['CRL of 100,000 entries, written and signed', duration(5, () => makeCrl(ours.cas.issuing, { entries }))],
    [`the same, ${(crl.length / 1e6).toFixed(1)} MB, parsed`, duration(5, () => parseCrl(crl))],
    ['a mesh of 49 CAs that leads nowhere, given up', duration(3, giveUp(mesh(), ours.request.anchors))],
  ];
}

function p256Paths(count) {
  const [rootKey, caKey] = [makeKey('P-256'), makeKey('P-256')];
  const [rootName, caName] = [plainName('root'), plainName('ca')];
  const isCa = [plainExtension.basicConstraints(true), plainExtension.keyUsage(5, 6)];
  const isLeaf = [
    plainExtension.basicConstraints(false),
    plainExtension.keyUsage(0),
    plainExtension.extendedKeyUsage(OID.codeSigning),
  ];
  const root = plain(rootName, rootName, rootKey, isCa, rootKey);
  const ca = plain(rootName, caName, caKey, isCa, rootKey);
  const leaves = Array.from({ length: count }, () => plain(caName, plainName('leaf'), makeKey('P-256'), isLeaf, caKey));
  const request = { intermediates: [ca], anchors: [root], at: TEST_DAY, eku: OID.codeSigning };
  return { leaves, request, signatures: checks(leaves, ca, root, 'ES256') };
}

let serials = 0;

function plain(issuer, subject, key, extensions, signer) {
  serials += 1;
  return signPlainCertificate(
    {
      serial: Uint8Array.of(0x40, serials >> 8, serials & 0xff),
      ...{ issuer, subject, extensions, spki: key.publicKey.spki },
      notBefore: new Date('2025-01-01T00:00:00Z'),
      notAfter: new Date('2035-01-01T00:00:00Z'),
    },
    signer,
  );
}

function ourPaths(count) {
  const cas = makeCas();
  const leaves = Array.from({ length: count }, () => makeLeaf(cas).certificate.der);
  const [issuing, root] = [cas.issuing.certificate.der, cas.root.certificate.der];
  const request = { intermediates: [issuing], anchors: [root], at: TEST_DAY, eku: OID.codeSigning };
  return { cas, leaves, request, signatures: checks(leaves, issuing, root, 'ES384') };
}

/** The signatures of a path alone: what no verifier can do without. */
function checks(leaves, ca, root, algorithm) {
  const [parsed, issuer, anchor] = [leaves.map(parseCertificate), parseCertificate(ca), parseCertificate(root)];
  const check = ({ tbs: data, signature }, { publicKey: key }) =>
    verifySignature({ algorithm, key, data, signature, encoding: 'der' });
  return (i) => {
    check(at(parsed, i), issuer);
    check(issuer, anchor);
  };
}

function shard(cas) {
  return makeCrl(cas.issuing, { entries: revoked(1000) });
}

function revoked(count) {
  return Array.from({ length: count }, (_, i) => ({
    serialHex: `40${i.toString(16).padStart(30, '0')}`,
    revokedAt: TEST_DAY,
    reason: 'keyCompromise',
  }));
}

/** Seven keys under one name, each certified by all: paths without end, every signature good. */
function mesh() {
  const name = plainName('mesh');
  const keys = Array.from({ length: 7 }, () => makeKey('P-256'));
  const isCa = [plainExtension.basicConstraints(true)];
  return {
    intermediates: keys.flatMap((signer) => keys.map((key) => plain(name, name, key, isCa, signer))),
    leaf: plain(name, plainName('leaf'), makeKey('P-256'), [], keys[0]),
  };
}

function giveUp(request, anchors) {
  return () => {
    try {
      verifyPath({ ...request, anchors, at: TEST_DAY });
    } catch (error) {
      if (error.code === 'x509/too-complex') return;
      throw error;
    }
    throw new Error('The mesh leads somewhere.');
  };
}

function at(list, i) {
  return list[i % list.length];
}

function rate(count, run) {
  for (let i = 0; i < count / 5; i += 1) run(i);
  const begin = processorMs();
  for (let i = 0; i < count; i += 1) run(i);
  return `${Math.round((count / (processorMs() - begin)) * 1000).toLocaleString('en')}/s`;
}

function duration(count, run) {
  run();
  const begin = processorMs();
  for (let i = 0; i < count; i += 1) run();
  return `${Math.round((processorMs() - begin) / count)} ms`;
}

function processorMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
