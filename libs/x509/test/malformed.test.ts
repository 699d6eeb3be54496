import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodePlainTbs,
  makeCas,
  makeCrl,
  makeKey,
  makeLeaf,
  MALFORMATIONS,
  plainExtension,
  plainName,
  readTree,
  sealed,
  spoilTbs,
  TEST_DAY,
  withExtension,
  writeTree,
  type DerTree,
} from '@margo-trust/testkit';
import { derNull, derSequence, OID, parseCertificate, verifyPath, X509Fault } from '../src/index.ts';

const key = makeKey('P-256');
const tbs = encodePlainTbs(
  {
    serial: Uint8Array.of(0x41),
    issuer: plainName('issuer'),
    subject: plainName('subject'),
    notBefore: new Date('2025-01-01T00:00:00Z'),
    notAfter: new Date('2035-01-01T00:00:00Z'),
    spki: key.publicKey.spki,
    extensions: [plainExtension.keyUsage(0), plainExtension.extendedKeyUsage(OID.codeSigning)],
  },
  'ES256',
);
const malformed = expect.objectContaining({ code: 'x509/malformed' });

describe('a certificate that is signed and malformed is refused: ', () => {
  it.each(MALFORMATIONS.map((malformation) => [malformation.name, malformation.source, malformation] as const))(
    '%s (%s)',
    (_, __, malformation) => {
      parseCertificate(sealed(tbs, 'ES256', key));
      expect(() => parseCertificate(sealed(spoilTbs(tbs, malformation), 'ES256', key))).toThrow(malformed);
    },
  );

  const outer = (spoil: (certificate: DerTree) => void) => {
    const tree = readTree(sealed(tbs, 'ES256', key));
    spoil(tree);
    return writeTree(tree);
  };

  it.each<[string, Uint8Array]>([
    ['bytes after it', Uint8Array.of(...sealed(tbs, 'ES256', key), 0)],
    ['an indefinite length', outer((tree) => (tree.length = 'indefinite'))],
    ['a length that is not minimal', outer((tree) => (tree.length = 'padded'))],
    ['a fourth element', outer((tree) => void tree.children.push(readTree(derNull())))],
    [
      'an algorithm outside that differs from the one inside',
      outer((tree) => (tree.children[1] = readTree(derSequence(derNull())))),
    ],
    ['a signature with unused bits', outer((tree) => (tree.children[2]!.content[0] = 1))],
    ['a signature that is an OCTET STRING', outer((tree) => (tree.children[2]!.tag = 0x04))],
  ])('%s (around the signed part)', (_, der) => {
    expect(() => parseCertificate(der)).toThrow(malformed);
  });
});

it.each([0, 3, 5, 8, 17])(
  'an alternative name with an IP address of %i octets is refused (RFC 5280 §4.2.1.6)',
  (length) => {
    const address = plainExtension.subjectAltNames(Uint8Array.of(0x87, length, ...new Uint8Array(length)));
    expect(() =>
      parseCertificate(makeLeaf(makeCas(), { change: (spec) => withExtension(spec, address) }).certificate.der),
    ).toThrow(malformed);
  },
);

describe('verifyPath', () => {
  const cas = makeCas();
  const leaf = makeLeaf(cas).certificate.der;
  const crls = [makeCrl(cas.root, { scope: { holds: 'cas' } }), makeCrl(cas.issuing)];
  const change = fc.record({ at: fc.nat(5000), by: fc.integer({ min: 1, max: 255 }) });
  const changed = (der: Uint8Array, changes: readonly { at: number; by: number }[]) => {
    const copy = der.slice();
    for (const { at, by } of changes) copy[at % copy.length]! ^= by;
    return copy;
  };

  it('gives a path or a Fault, in bounded time, whatever was changed in certificates and CRLs', () => {
    const changes = fc.array(change, { maxLength: 3 });
    fc.assert(
      fc.property(fc.tuple(changes, changes, changes, changes, changes), ([a, b, c, d, e]) => {
        const start = performance.now();
        try {
          const { path } = verifyPath({
            leaf: changed(leaf, a),
            intermediates: [changed(cas.issuing.certificate.der, b)],
            anchors: [changed(cas.root.certificate.der, c)],
            crls: [changed(crls[0]!, d), changed(crls[1]!, e)],
            at: TEST_DAY,
            eku: OID.codeSigning,
          });
          // What was signed is as it was: only the anchor, whose own signature proves nothing, may differ.
          expect(path.slice(0, 2).map(({ der }) => der)).toEqual([leaf, cas.issuing.certificate.der]);
        } catch (error) {
          if (!(error instanceof X509Fault)) throw error;
        }
        expect(performance.now() - start).toBeLessThan(5_000); // no hang; how fast it is, a busy machine cannot say
      }),
      { numRuns: 500 },
    );
  });

  it('gives a Fault for structures moved about: parts of DER in each other’s places', () => {
    const nodes = (tree: DerTree): DerTree[] => [tree, ...tree.children.flatMap(nodes)];
    const count = nodes(readTree(leaf)).length;
    fc.assert(
      fc.property(fc.nat(count - 1), fc.nat(count - 1), fc.nat(2), (to, from, how) => {
        const tree = readTree(leaf);
        const all = nodes(tree);
        const [target, source] = [all[to]!, structuredClone(all[from]!)];
        if (how === 0) Object.assign(target, source);
        else if (how === 1) target.children.push(source);
        else target.length = 'padded';
        const spoilt = writeTree(tree);
        try {
          verifyPath({
            leaf: spoilt,
            intermediates: [cas.issuing.certificate],
            anchors: [cas.root.certificate],
            at: TEST_DAY,
          });
          expect(spoilt).toEqual(leaf);
        } catch (error) {
          if (!(error instanceof X509Fault)) throw error;
        }
      }),
      { numRuns: 1000 },
    );
  });
});
