import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeUtf8 } from '@margo-trust/bytes';
import {
  certify,
  makeCas,
  makeLeaf,
  nextSerial,
  openssl,
  TEST_DAY,
  withExtension,
  type KeyPairType,
  type TestIdentity,
} from '@margo-trust/testkit';
import { derOid, derSequence, encodePem, OID, tsaProfile, type CertificateSpec } from '@margo-trust/x509';
import {
  draftTimestampToken,
  encodeTimestampRequest,
  encodeTimestampResponse,
  failureOf,
  parseTimestampRequest,
  parseTimestampResponse,
  parseTimestampToken,
  TimestampFault,
  verifyTimestampToken,
  type TimestampHash,
  type TokenSpec,
} from '../src/index.ts';
import { digest } from '../src/hash.ts';

const cas = makeCas();
const anchors = [cas.tsaCa.certificate];
const message = encodeUtf8('the bytes of a signature');
const policy = '1.3.6.1.4.1.32473.2.1';
const fault = (code: string) => expect.objectContaining({ code: `timestamp/${code}` });

function makeTsa(
  keyType: KeyPairType,
  change: (spec: CertificateSpec) => CertificateSpec = (spec) => spec,
): TestIdentity {
  return certify(
    keyType,
    ({ publicKey }) =>
      change(
        tsaProfile({
          serial: nextSerial(),
          subject: { country: 'DE', organization: 'Registry Example', commonName: 'TSA' },
          notBefore: new Date('2026-01-01T00:00:00Z'),
          notAfter: new Date('2030-01-01T00:00:00Z'),
          publicKey,
          issuer: cas.tsaCa.certificate,
        }),
      ),
    cas.tsaCa,
  );
}

function stamp(tsa: TestIdentity = cas.tsa, change: Partial<TokenSpec> = {}): Uint8Array {
  const hash = change.hash ?? 'SHA-256';
  const draft = draftTimestampToken({
    hash,
    imprint: digest(hash, message),
    serial: 0x80_0000_0000n,
    genTime: TEST_DAY,
    policy,
    tsaCertificate: tsa.certificate,
    includeCertificate: true,
    ...change,
  });
  return draft.finish(tsa.key.sign(draft.toBeSigned, draft.algorithm));
}

const pem = ({ certificate }: TestIdentity) => encodePem('CERTIFICATE', certificate.der);

describe('requests', () => {
  it('are read as openssl writes them', () => {
    const args = ['ts', '-query', '-data', 'message', '-sha512', '-cert', '-tspolicy', policy];
    const { stdout } = openssl(args, { message });
    const request = parseTimestampRequest(new Uint8Array(stdout));
    expect(request).toMatchObject({ hash: 'SHA-512', imprint: digest('SHA-512', message), policy, certReq: true });
    expect(request.nonce).toBeGreaterThan(0n);
    expect(encodeTimestampRequest(request)).toEqual(new Uint8Array(stdout));
  });

  it('read back as they were written', () => {
    const hash = fc.constantFrom<TimestampHash>('SHA-256', 'SHA-384', 'SHA-512');
    fc.assert(
      fc.property(hash, fc.option(fc.bigInt({ min: 0n, max: 1n << 128n })), fc.boolean(), (hash, nonce, certReq) => {
        const request = { hash, imprint: digest(hash, message), certReq, ...(nonce === null ? {} : { nonce }) };
        expect(parseTimestampRequest(encodeTimestampRequest(request))).toEqual(request);
      }),
    );
  });

  it('name the failure to answer with when they can not be served', () => {
    const answer = (der: Uint8Array) => {
      try {
        parseTimestampRequest(der);
        return undefined;
      } catch (error) {
        return failureOf(error as TimestampFault);
      }
    };
    const sha1 = openssl(['ts', '-query', '-data', 'message', '-sha1'], { message }).stdout;
    expect(answer(new Uint8Array(sha1))).toBe('badAlg');
    expect(answer(Uint8Array.of(1, 2, 3))).toBe('badDataFormat');
    const plain = encodeTimestampRequest({ hash: 'SHA-256', imprint: digest('SHA-256', message), certReq: false });
    expect(answer(Uint8Array.of(0x30, plain.length - 2 + 2, ...plain.subarray(2), 0xa0, 0))).toBe(
      'unacceptedExtension',
    );
  });
});

describe('responses', () => {
  it('carry the token', () => {
    const token = stamp();
    expect(parseTimestampResponse(encodeTimestampResponse({ token }))).toEqual({ token });
  });

  it('carry a refusal that openssl prints and we throw', () => {
    const der = encodeTimestampResponse({ failure: 'badAlg', text: 'SHA-1 is not stamped' });
    const { output } = openssl(['ts', '-reply', '-in', 'r.tsr', '-text'], { 'r.tsr': der });
    expect(output).toMatch(
      /Status: Rejected\.[^]*SHA-1 is not stamped[^]*unrecognized or unsupported algorithm identifier/,
    );
    expect(() => parseTimestampResponse(der)).toThrow(
      expect.objectContaining({ code: 'timestamp/refused', message: expect.stringContaining('SHA-1 is not stamped') }),
    );
    expect(() => parseTimestampResponse(encodeTimestampResponse({ failure: 'systemFailure' }))).toThrow(
      fault('refused'),
    );
  });
});

describe('our tokens', () => {
  const verifyArgs = ['ts', '-verify', '-in', 'r.tsr', '-CAfile', 'ca.pem', '-attime', `${TEST_DAY.getTime() / 1000}`];
  const cafile = pem(cas.root) + pem(cas.tsaCa);

  it.each<[KeyPairType, TimestampHash]>([
    ['P-256', 'SHA-256'],
    ['P-256', 'SHA-512'],
    ['P-384', 'SHA-384'],
    ['RSA-3072', 'SHA-256'],
  ])('satisfy openssl and us: %s, %s', (keyType, hash) => {
    const tsa = makeTsa(keyType);
    const token = stamp(tsa, { hash });
    const verified = verifyTimestampToken(token, message, { anchors });
    expect(verified).toMatchObject({ genTime: TEST_DAY, policy, serial: 0x80_0000_0000n, tsa: tsa.certificate });
    const run = openssl([...verifyArgs, '-data', 'message'], {
      message,
      'r.tsr': encodeTimestampResponse({ token }),
      'ca.pem': cafile,
    });
    expect(run.output).toContain('Verification: OK');
    expect(run.isOk).toBe(true);
  });

  it('say how accurate they are, to openssl and to us', () => {
    const token = stamp(cas.tsa, { accuracySeconds: 3 });
    expect(verifyTimestampToken(token, message, { anchors })).toMatchObject({ accuracySeconds: 3 });
    const args = ['ts', '-reply', '-in', 'r.tsr', '-text'];
    expect(openssl(args, { 'r.tsr': encodeTimestampResponse({ token }) }).output).toContain('Accuracy: 0x03 seconds');
    expect(verifyTimestampToken(stamp(), message, { anchors })).not.toHaveProperty('accuracySeconds');
  });

  it('answer a query of openssl, nonce and policy included', () => {
    const query = openssl(['ts', '-query', '-data', 'message', '-sha384', '-cert', '-tspolicy', policy], {
      message,
    }).stdout;
    const { hash, imprint, nonce, certReq } = parseTimestampRequest(new Uint8Array(query));
    const token = stamp(cas.tsa, { hash, imprint, nonce: nonce!, includeCertificate: certReq });
    const run = openssl([...verifyArgs, '-queryfile', 'q.tsq'], {
      'q.tsq': query,
      'r.tsr': encodeTimestampResponse({ token }),
      'ca.pem': cafile,
    });
    expect(run.output).toContain('Verification: OK');
  });

  it('hold one certificate, or none when it was not asked for', () => {
    expect(parseTimestampToken(stamp()).certificates).toEqual([cas.tsa.certificate.der]);
    const bare = stamp(cas.tsa, { includeCertificate: false });
    expect(parseTimestampToken(bare).certificates).toEqual([]);
    expect(() => verifyTimestampToken(bare, message, { anchors })).toThrow(fault('untrusted'));
    const intermediates = [cas.tsa.certificate.der];
    expect(verifyTimestampToken(bare, message, { anchors, intermediates }).genTime).toEqual(TEST_DAY);
  });

  it('state whole seconds only', () => {
    expect(() => stamp(cas.tsa, { genTime: new Date(1500) })).toThrow(
      expect.objectContaining({ code: 'x509/invalid-spec' }),
    );
  });
});

describe('tokens of openssl', () => {
  const config = [
    '[tsa]',
    'serial = serial',
    'signer_cert = tsa.pem',
    'signer_key = tsa.key',
    'signer_digest = sha256',
    `default_policy = ${policy}`,
    'digests = sha256, sha384, sha512',
    'accuracy = secs:1, millisecs:500',
    'ordering = yes',
    'tsa_name = yes',
    'ess_cert_id_chain = CHAIN',
    'ess_cert_id_alg = HASH',
  ].join('\n');

  function reply(tsa: TestIdentity, { chain = 'yes', hash = 'sha256', digits = '' } = {}): Uint8Array {
    const query = openssl(['ts', '-query', '-data', 'message', '-sha384', '-cert'], { message }).stdout;
    const settings = config.replace('CHAIN', chain).replace('HASH', hash) + digits;
    const { stdout, output } = openssl(
      ['ts', '-reply', '-config', 'ts.cnf', '-section', 'tsa', '-queryfile', 'q.tsq', '-chain', 'ca.pem'],
      {
        'ts.cnf': settings,
        serial: '01',
        'q.tsq': query,
        'tsa.pem': pem(tsa),
        'tsa.key': tsa.key.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
        'ca.pem': pem(cas.tsaCa) + pem(cas.root),
      },
    );
    if (stdout.length === 0) throw new Error(output);
    return parseTimestampResponse(new Uint8Array(stdout)).token;
  }

  it.each<[KeyPairType, object]>([
    ['P-256', {}],
    ['P-384', {}],
    ['RSA-3072', {}],
    ['P-256', { chain: 'no' }],
    ['P-256', { hash: 'sha512' }],
    ['P-256', { digits: '\nclock_precision_digits = 3' }],
  ])('verify: %s %j', (keyType, options) => {
    const verified = verifyTimestampToken(reply(makeTsa(keyType), options), message, {
      anchors: [cas.root.certificate],
    });
    expect(Math.abs(verified.genTime.getTime() - Date.now())).toBeLessThan(60_000);
    expect(verified.policy).toBe(policy);
  });

  it('are refused when they name the certificate by SHA-1 only', () => {
    expect(() =>
      verifyTimestampToken(reply(cas.tsa, { hash: 'sha1' }), message, { anchors: [cas.root.certificate] }),
    ).toThrow(fault('malformed'));
  });
});

describe('verifyTimestampToken', () => {
  const token = stamp();

  it('refuses a stamp over other data', () => {
    expect(() => verifyTimestampToken(token, encodeUtf8('other'), { anchors })).toThrow(fault('imprint-mismatch'));
  });

  it('refuses authorities that lead to none of the anchors', () => {
    const others = [cas.issuing.certificate, makeCas().tsaCa.certificate];
    expect(() => verifyTimestampToken(token, message, { anchors: others })).toThrow(fault('untrusted'));
    expect(() => verifyTimestampToken(token, message, { anchors: [] })).toThrow(fault('untrusted'));
  });

  it('refuses certificates that are not for time stamping alone, critically', () => {
    const purposes = (critical: boolean, ...oids: string[]) =>
      makeTsa('P-256', (spec) =>
        withExtension(spec, { oid: OID.extendedKeyUsage, critical, value: derSequence(...oids.map(derOid)) }),
      );
    for (const tsa of [
      purposes(false, OID.timeStamping),
      purposes(true, OID.timeStamping, OID.codeSigning),
      purposes(true, OID.codeSigning),
      makeLeaf(cas),
    ]) {
      expect(() => verifyTimestampToken(stamp(tsa), message, { anchors: [cas.root.certificate, ...anchors] })).toThrow(
        fault('untrusted'),
      );
    }
  });

  it('wants the authority to have been valid at the time of the stamp, and not now', () => {
    expect(
      verifyTimestampToken(stamp(cas.tsa, { genTime: new Date('2026-01-01T00:00:00Z') }), message, { anchors }),
    ).toBeDefined();
    for (const genTime of [new Date('2025-12-31T23:59:59Z'), new Date('2036-01-01T00:00:01Z')]) {
      expect(() => verifyTimestampToken(stamp(cas.tsa, { genTime }), message, { anchors })).toThrow(fault('untrusted'));
    }
  });

  it('judges a remembered path by the time of each stamp', () => {
    const verifiedPaths = new Map();
    const verify = (genTime: Date) =>
      verifyTimestampToken(stamp(cas.tsa, { genTime }), message, { anchors, verifiedPaths }).genTime;
    expect(verify(TEST_DAY)).toEqual(TEST_DAY);
    expect([...verifiedPaths.keys()]).toEqual([cas.tsa.certificate.fingerprint]);
    expect(verify(TEST_DAY)).toEqual(TEST_DAY);
    expect(() => verify(new Date('2036-01-01T00:00:01Z'))).toThrow(fault('untrusted'));
  });

  it('refuses a token whose certificate was exchanged for another of the same name, number and key', () => {
    const { certificate, key } = cas.tsa;
    const other = certify(
      'P-256',
      () => ({
        serial: Uint8Array.from(Buffer.from(certificate.serialHex, 'hex')),
        algorithm: 'ES384',
        issuer: certificate.issuer.der,
        subject: certificate.subject.der,
        notBefore: new Date('2020-01-01T00:00:00Z'),
        notAfter: new Date('2046-01-01T00:00:00Z'),
        spki: certificate.spki,
        extensions: certificate.extensions,
      }),
      cas.tsaCa,
    );
    const swapped = stamp({ key, certificate }, { includeCertificate: false });
    const trust = { anchors, intermediates: [other.certificate] };
    expect(() => verifyTimestampToken(swapped, message, trust)).toThrow(fault('bad-signature'));
  });

  it('refuses a token with one bit flipped anywhere', () => {
    for (let i = 0; i < token.length; i++) {
      const flipped = token.slice();
      flipped[i]! ^= 1 << (i % 8);
      expect(() => verifyTimestampToken(flipped, message, { anchors })).toThrow(TimestampFault);
    }
  });

  it('gives a value or a Fault for any bytes', () => {
    const parsers = [
      parseTimestampRequest,
      parseTimestampResponse,
      parseTimestampToken,
      (bytes: Uint8Array) => verifyTimestampToken(bytes, message, { anchors }),
    ];
    const change = fc.record({ at: fc.nat(token.length - 1), by: fc.integer({ min: 1, max: 255 }) });
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 4 }),
        fc.uint8Array({ maxLength: 60 }),
        (changes, noise) => {
          const bytes = token.slice();
          for (const { at, by } of changes) bytes[at]! ^= by;
          for (const parse of parsers) {
            for (const input of [bytes, noise]) {
              try {
                parse(input);
              } catch (error) {
                expect(error).toBeInstanceOf(TimestampFault);
              }
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
