import { concatBytes, parseHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeCas, makeKey, makeLeaf, openssl, withExtension } from '@margo-trust/testkit';
import {
  assembleSigned,
  embedScts,
  encodePem,
  encodeSignatureValue,
  lintLeaf,
  OID,
  parseCertificate,
  readScts,
  removeScts,
  sctToBeSigned,
  verifySct,
  X509Fault,
  type Certificate,
  type CertificateSpec,
  type Sct,
} from '../src/index.ts';

const cas = makeCas();
const issuer = cas.issuing.certificate;
const log = makeKey('P-256');
const time = new Date('2026-06-01T12:00:00.123Z');

function signSct(tbs: Uint8Array, key = log): Sct {
  const data = sctToBeSigned({ tbs, issuerSpki: issuer.spki, time });
  const signature = encodeSignatureValue('ES256', key.sign(data, 'ES256'));
  return { logId: sha256(key.publicKey.spki), time, signature };
}

/** A leaf with these SCTs, signed by the issuing CA. */
function issue(tbs: Uint8Array, scts: readonly Sct[]): Certificate {
  const logged = embedScts(tbs, scts);
  return parseCertificate(assembleSigned(logged, 'ES384', cas.issuing.key.sign(logged, 'ES384')));
}

const { tbs } = makeLeaf(cas).certificate;
const leaf = issue(tbs, [signSct(tbs)]);

describe('an embedded SCT', () => {
  it('verifies with the key of its log, and says when', () => {
    expect(verifySct(leaf, issuer.spki, log.publicKey).time).toEqual(time);
    expect(lintLeaf(leaf.der, { issuer, registry: cas.registry, log: log.publicKey })).toEqual([]);
  });

  it('is read by openssl, which takes the log for unknown only because it keeps its own list', () => {
    const args = ['x509', '-in', 'leaf.pem', '-noout', '-text'];
    const { output } = openssl(args, { 'leaf.pem': encodePem('CERTIFICATE', leaf.der) });
    expect(output).toContain('CT Precertificate SCTs');
    expect(output).toMatch(/Version +: v1 \(0x0\)/);
    expect(output).toMatch(/Timestamp : Jun +1 12:00:00\.123 2026 GMT/);
    expect(output).toContain('Signature : ecdsa-with-SHA256');
  });

  it('leaves every byte of what was logged as it was', () => {
    expect(removeScts(leaf.tbs)).toEqual(tbs);
    expect(removeScts(tbs)).toEqual(tbs);
    expect(() => embedScts(leaf.tbs, [signSct(tbs)])).toThrow(/SCTs already/);
  });

  it('signs exactly the structure of RFC 6962 §3.2', () => {
    const head = concatBytes(parseHex('0000'), parseHex(time.getTime().toString(16).padStart(16, '0')));
    const body = concatBytes(parseHex('0001'), sha256(issuer.spki), parseHex(tbs.length.toString(16).padStart(6, '0')));
    expect(sctToBeSigned({ tbs, issuerSpki: issuer.spki, time })).toEqual(
      concatBytes(head, body, tbs, parseHex('0000')),
    );
  });

  const stranger = makeKey('P-256');
  it.each<[string, Certificate, Uint8Array]>([
    ['of another log', issue(tbs, [signSct(tbs, stranger)]), issuer.spki],
    ['for another certificate', issue(tbs, [signSct(makeLeaf(cas).certificate.tbs)]), issuer.spki],
    ['for another issuer', leaf, cas.root.certificate.spki],
    ['of another time', issue(tbs, [{ ...signSct(tbs), time: new Date(time.getTime() + 1) }]), issuer.spki],
    ['that is missing', makeLeaf(cas).certificate, issuer.spki],
    ['whose signature is no DER', issue(tbs, [{ ...signSct(tbs), signature: new Uint8Array(70) }]), issuer.spki],
  ])('%s is refused', (_, certificate, spki) => {
    expect(() => verifySct(certificate, spki, log.publicKey)).toThrow(expect.objectContaining({ code: 'x509/no-sct' }));
    if (spki === issuer.spki) {
      const findings = lintLeaf(certificate.der, { issuer, registry: cas.registry, log: log.publicKey });
      expect(findings).toEqual([expect.stringMatching(/^leaf-is-logged: /)]);
    }
  });

  it('is refused when any bit of it flips', () => {
    const [sct] = readScts(leaf);
    for (let bit = 0; bit < sct!.signature.length * 8; bit += 7) {
      const signature = sct!.signature.slice();
      signature[bit >> 3]! ^= 1 << (bit & 7);
      const flipped = issue(tbs, [{ ...sct!, signature }]);
      expect(() => verifySct(flipped, issuer.spki, log.publicKey), `bit ${bit}`).toThrow(X509Fault);
    }
  });

  it('may be one of several', () => {
    const both = issue(tbs, [signSct(tbs, stranger), signSct(tbs)]);
    expect(verifySct(both, issuer.spki, log.publicKey).time).toEqual(time);
    expect(lintLeaf(both.der, { issuer, registry: cas.registry, log: log.publicKey })[0]).toContain('more than one');
  });

  it('gives a list or a fault for arbitrary bytes in its place', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (value) => {
        const change = (spec: CertificateSpec) => withExtension(spec, { oid: OID.sctList, critical: false, value });
        const { certificate } = makeLeaf(cas, { change });
        try {
          readScts(certificate);
        } catch (error) {
          expect(error).toMatchObject({ code: 'x509/malformed' });
        }
      }),
      { numRuns: 100 },
    );
  });
});
