import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  generalName,
  makeCas,
  makeCrl,
  makeKey,
  makeLeaf,
  openssl,
  plainExtension,
  plainName,
  signPlainCertificate,
  signPlainCrl,
  TEST_DAY,
} from '@margo-trust/testkit';
import {
  encodePem,
  nameText,
  OID,
  parseCertificate,
  parseCrl,
  parseCsr,
  parsePem,
  verifyCsr,
  X509Fault,
} from '../src/index.ts';

const cas = makeCas();
const leaf = makeLeaf(cas).certificate;
const crl = makeCrl(cas.issuing, { entries: [{ serialHex: '40aa', revokedAt: TEST_DAY, reason: 'superseded' }] });

/** A request made by openssl; `key` is an argument of `openssl req -newkey`. */
function makeCsr(key: readonly string[], extra: readonly string[] = []): Uint8Array {
  const args = [
    'req',
    '-new',
    '-newkey',
    ...key,
    '-nodes',
    '-keyout',
    'k',
    '-subj',
    '/C=DE/O=Acme/CN=x',
    '-outform',
    'DER',
  ];
  return new Uint8Array(openssl([...args, ...extra]).stdout);
}

const csr = makeCsr(['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], ['-addext', 'subjectAltName=DNS:acme.example']);

/** A CA with every extension that path validation reads, and a CRL with all that a CRL can say. */
const key = makeKey('P-256');
const name = plainName('ca');
const constrained = signPlainCertificate(
  {
    serial: Uint8Array.of(0x41),
    issuer: name,
    subject: name,
    notBefore: new Date('2025-01-01T00:00:00Z'),
    notAfter: new Date('2035-01-01T00:00:00Z'),
    spki: key.publicKey.spki,
    extensions: [
      plainExtension.basicConstraints(true, 3),
      plainExtension.nameConstraints(
        [generalName.dns('example.com'), generalName.uri('.example.com'), generalName.rfc822('example.com')],
        [generalName.ip(10, 0, 0, 0, 255, 0, 0, 0), generalName.directory(name)],
      ),
      plainExtension.policies('1.2.3', OID.anyPolicy),
      plainExtension.policyMappings(['1.2.3', '1.2.4']),
      plainExtension.policyConstraints(2, 1),
      plainExtension.inhibitAnyPolicy(1),
      plainExtension.distributionPoint('http://crl.example/1.crl', { reasons: [1, 2], crlIssuer: name }),
    ],
  },
  key,
);
const indirect = signPlainCrl(
  {
    issuer: name,
    thisUpdate: TEST_DAY,
    entries: [
      { serial: Uint8Array.of(0x42), revokedAt: TEST_DAY, extensions: [plainExtension.reason(1)] },
      { serial: Uint8Array.of(0x42), revokedAt: TEST_DAY, extensions: [plainExtension.certificateIssuer(name)] },
    ],
    extensions: [
      plainExtension.issuingDistributionPoint({ url: 'http://crl.example/1.crl', reasons: [1], isIndirect: true }),
      plainExtension.crlNumber(2),
      plainExtension.deltaOf(1),
    ],
  },
  key,
);

describe.each([
  ['parseCertificate', parseCertificate, leaf.der],
  ['parseCertificate, of a CA with constraints', parseCertificate, constrained],
  ['parseCrl', parseCrl, crl],
  ['parseCrl, indirect and delta', parseCrl, indirect],
  ['parseCsr', parseCsr, csr],
] as const)('%s', (_, parse, valid) => {
  const isTotal = (bytes: Uint8Array) => {
    const start = performance.now();
    try {
      parse(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(X509Fault);
    }
    expect(performance.now() - start).toBeLessThan(2_000); // no hang; how fast it is, a busy machine cannot say
  };

  it('gives a value or a Fault for any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), isTotal));
  });

  it('gives a value or a Fault for valid bytes changed anywhere', () => {
    const change = fc.record({ at: fc.nat(valid.length - 1), by: fc.integer({ min: 1, max: 255 }) });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = valid.slice();
        for (const { at, by } of changes) bytes[at]! ^= by;
        isTotal(bytes);
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses every prefix and every extension', () => {
    const malformed = expect.objectContaining({ code: 'x509/malformed' });
    for (let length = 0; length < valid.length; length += 11) {
      expect(() => parse(valid.subarray(0, length))).toThrow(malformed);
    }
    expect(() => parse(Uint8Array.of(...valid, 0))).toThrow(malformed);
  });

  it('is quick with 64 KiB made to be slow', () => {
    const size = 65_000;
    const filled = (...pattern: number[]) => {
      const body = new Uint8Array(size).map((__, i) => pattern[i % pattern.length]!);
      return Uint8Array.of(0x30, 0x82, size >> 8, size & 0xff, ...body);
    };
    for (const bytes of [
      filled(0x30, 0x00),
      filled(0x30),
      filled(0x30, 0x80),
      filled(0x06, 0x01, 0x2a),
      filled(0xff),
    ]) {
      isTotal(bytes);
    }
  });
});

describe('certification requests', () => {
  it.each([
    ['P-256', csr],
    ['P-384 with SHA-256, as openssl makes it', makeCsr(['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'])],
    ['Ed25519', makeCsr(['ed25519'])],
    ['RSA', makeCsr(['rsa:3072'])],
    ['RSA-PSS', makeCsr(['rsa:3072'], ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:digest'])],
  ])('prove possession of a key: %s', (_, der) => {
    const request = parseCsr(der);
    verifyCsr(request);
    expect(nameText(request.subject)).toBe('CN=x,O=Acme,C=DE');
  });

  it('are not believed when another key signed', () => {
    const other = parseCsr(makeCsr(['ec', '-pkeyopt', 'ec_paramgen_curve:P-256']));
    const forged = { ...other, check: { ...other.check, key: parseCsr(csr).publicKey } };
    expect(() => verifyCsr(forged)).toThrow(expect.objectContaining({ code: 'x509/bad-signature' }));
  });

  it('are refused with keys and digests that are too weak', () => {
    expect(() => parseCsr(makeCsr(['rsa:1024']))).toThrow(expect.objectContaining({ code: 'x509/weak' }));
    expect(() => parseCsr(makeCsr(['rsa:2048'], ['-sha1']))).toThrow(
      expect.objectContaining({ code: 'x509/unsupported' }),
    );
  });
});

describe('PEM', () => {
  it('goes both ways, one block or many, with text between', () => {
    const [one, two] = [leaf.der, cas.root.certificate.der];
    const text = `subject=…\n${encodePem('CERTIFICATE', one)}\r\n${encodePem('X509 CRL', crl)}${encodePem('CERTIFICATE', two)}`;
    expect(parsePem('CERTIFICATE', text)).toEqual([one, two]);
    expect(parsePem('X509 CRL', text.replaceAll('\n', '\r\n'))).toEqual([crl]);
    expect(openssl(['x509', '-in', 'c.pem', '-noout'], { 'c.pem': encodePem('CERTIFICATE', one) }).isOk).toBe(true);
  });

  it.each([
    ['', 'nothing'],
    ['-----BEGIN CERTIFICATE-----\nAAAA\n', 'a block without an end'],
    ['-----BEGIN CERTIFICATE-----\nA*AA\n-----END CERTIFICATE-----\n', 'what is not base64'],
  ])('refuses %j', (text) => {
    expect(() => parsePem('CERTIFICATE', text)).toThrow(expect.objectContaining({ code: 'x509/malformed' }));
  });
});
