import { createHash, sign } from 'node:crypto';
import { encodeBase64, encodeUtf8, parseUtf8 } from '@margo-trust/bytes';
import { parsePublicKey, verifyDigestSignature } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { makeKey } from '@margo-trust/testkit';
import { encodeVerifierKey, parseVerifierKey } from '@margo-trust/tlog';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  describeSigningConfig,
  describeTrustedRoot,
  encodeCanonicalJson,
  encodeHashedRekord,
  encodePae,
  parseEntryRequest,
  parseHashedRekord,
  sigstoreLogId,
  type HashedRekord,
} from '../src/index.ts';

const entry: HashedRekord = {
  keyDetails: 'PKIX_ECDSA_P256_SHA_256',
  digest: new Uint8Array(32).fill(1),
  signature: Uint8Array.of(0x30, 6, 2, 1, 1, 2, 1, 1),
  certificate: Uint8Array.of(0x30, 0),
};
const requestOf = (value: unknown) => encodeUtf8(JSON.stringify(value));
const verifier = { x509Certificate: { rawBytes: 'MAA=' }, keyDetails: 'PKIX_ECDSA_P256_SHA_256' };
const hashed = (change: object = {}) => ({
  hashedRekordRequestV002: {
    digest: encodeBase64(entry.digest),
    signature: { content: encodeBase64(entry.signature), verifier },
    ...change,
  },
});
const dsse = (change: object = {}) => ({
  dsseRequestV002: {
    envelope: { payload: 'aGVsbG8=', payloadType: 'text/plain', signatures: [{ sig: 'MAYCAQECAQE=' }] },
    verifiers: [verifier],
    ...change,
  },
});

describe('canonical JSON', () => {
  it('sorts members by UTF-16 units and escapes as RFC 8785 §3.2.2.2 and §3.2.3 do', () => {
    const value = {
      '\u20ac': 'Euro',
      '\r': 'CR',
      '\ufb33': 'Dalet',
      '1': 'One',
      '\ud83d\ude00': 'Smile',
      '\u0080': 'C',
    };
    expect(parseUtf8(encodeCanonicalJson(value))).toBe(
      '{"\\r":"CR","1":"One","\u0080":"C","\u20ac":"Euro","\ud83d\ude00":"Smile","\ufb33":"Dalet"}',
    );
    expect(parseUtf8(encodeCanonicalJson(['\u000f"\\/\u2028', { a: [] }]))).toBe('["\\u000f\\"\\\\/\u2028",{"a":[]}]');
  });
});

describe('a leaf', () => {
  it('has exactly these bytes', () => {
    expect(parseUtf8(encodeHashedRekord(entry))).toBe(
      '{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"SHA2_256","digest":' +
        '"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="},"signature":{"content":"MAYCAQECAQE=","verifier":{"keyDetails":' +
        '"PKIX_ECDSA_P256_SHA_256","x509Certificate":{"rawBytes":"MAA="}}}}}}',
    );
  });

  it('is read back, and in no other form', () => {
    const leaf = encodeHashedRekord(entry);
    expect(parseHashedRekord(leaf)).toEqual(entry);
    const text = parseUtf8(leaf);
    const others = [
      ` ${text}`,
      text.replace('"kind":"hashedrekord",', ''),
      text.replace('0.0.2', '0.0.1'),
      text.replace('SHA2_256', 'SHA2_384'),
      text.replace('"MAA="', '"MAA"'),
      text.replace('hashedRekordV002', 'hashed_rekord_v002'),
      text.replace('{"apiVersion"', '{"more":"","apiVersion"'),
    ];
    for (const other of others) {
      expect(() => parseHashedRekord(encodeUtf8(other)), other).toThrow(/canonical form|has no|must be/);
    }
  });
});

describe('a request', () => {
  it('is read in both forms and spellings, with base64 as Protocol Buffers allow it', () => {
    expect(parseEntryRequest(requestOf(hashed()))).toEqual(entry);
    const snake = {
      hashed_rekord_request_v002: {
        digest: encodeBase64(entry.digest).replace(/=+$/, ''),
        signature: {
          content: 'MAYCAQECAQE',
          verifier: { x509_certificate: { raw_bytes: 'MAA' }, key_details: 'PKIX_ECDSA_P256_SHA_256', more: 1 },
        },
      },
    };
    expect(parseEntryRequest(requestOf(snake))).toEqual(entry);
    const urlSafe = hashed({ digest: Buffer.alloc(32, 0xfb).toString('base64url') });
    expect(parseEntryRequest(requestOf(urlSafe)).digest).toEqual(new Uint8Array(32).fill(0xfb));
  });

  it('with an envelope has the digest of its pre-authentication encoding', () => {
    expect(parseUtf8(encodePae('http://example.com/HelloWorld', encodeUtf8('hello world')))).toBe(
      'DSSEv1 29 http://example.com/HelloWorld 11 hello world', // the example of the DSSE protocol
    );
    const pae = encodePae('text/plain', encodeUtf8('hello'));
    const { digest } = parseEntryRequest(requestOf(dsse()));
    expect(Buffer.from(digest)).toEqual(createHash('sha256').update(pae).digest());
  });

  it.each<[string, unknown, string]>([
    ['a list', [], 'sigstore/bad-request'],
    ['neither form', { intotoV002: {} }, 'sigstore/unsupported'],
    ['both forms', { ...hashed(), ...dsse() }, 'sigstore/bad-request'],
    ['one form in two spellings', { ...hashed(), hashed_rekord_request_v002: {} }, 'sigstore/bad-request'],
    [
      'a bare key',
      hashed({ signature: { content: 'MAA=', verifier: { publicKey: { rawBytes: 'MAA=' } } } }),
      'sigstore/no-certificate',
    ],
    [
      'an RSA key',
      hashed({
        signature: { content: 'MAA=', verifier: { ...verifier, keyDetails: 'PKIX_RSA_PKCS1V15_3072_SHA256' } },
      }),
      'sigstore/unsupported',
    ],
    [
      'a kind of key by number',
      hashed({ signature: { content: 'MAA=', verifier: { ...verifier, keyDetails: 5 } } }),
      'sigstore/bad-request',
    ],
    [
      '__proto__ as a kind',
      hashed({ signature: { content: 'MAA=', verifier: { ...verifier, keyDetails: '__proto__' } } }),
      'sigstore/unsupported',
    ],
    ['a short digest', hashed({ digest: 'AAAA' }), 'sigstore/bad-request'],
    ['no base64', hashed({ digest: '!' }), 'sigstore/bad-request'],
    ['a huge signature', hashed({ signature: { content: 'A'.repeat(1_000), verifier } }), 'sigstore/bad-request'],
    [
      'two signatures',
      dsse({ envelope: { payload: '', payloadType: 't', signatures: [{}, {}] } }),
      'sigstore/bad-request',
    ],
    ['no verifier', dsse({ verifiers: [] }), 'sigstore/bad-request'],
  ])('%s is refused', (_, value, code) => {
    expect(() => parseEntryRequest(requestOf(value))).toThrow(expect.objectContaining({ code }));
  });

  it('of arbitrary bytes or JSON gives a value or a fault', () => {
    const json = fc.jsonValue().map((value) => requestOf({ hashedRekordRequestV002: value, dsseRequestV002: value }));
    const edited = fc.tuple(fc.constantFrom(hashed(), dsse()), fc.nat(), fc.string()).map(([value, at, text]) => {
      const whole = JSON.stringify(value);
      const cut = at % whole.length;
      return encodeUtf8(whole.slice(0, cut) + text + whole.slice(cut + text.length));
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), json, edited), (bytes) => {
        for (const parse of [parseEntryRequest, parseHashedRekord]) {
          try {
            parse(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(Fault);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a signature over a digest', () => {
  it.each([
    ['P-256', 'sha256'],
    ['P-384', 'sha384'],
  ] as const)('with %s verifies as Node made it, and not with any bit flipped', (type, hash) => {
    const key = makeKey(type);
    const data = encodeUtf8('data');
    const digest = Uint8Array.from(createHash(hash).update(data).digest());
    const signature = Uint8Array.from(sign(hash, data, key.privateKey));
    const check = { key: key.publicKey, digest, signature };
    verifyDigestSignature(check);
    for (let bit = 0; bit < signature.length * 8; bit += 11) {
      const flipped = signature.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => verifyDigestSignature({ ...check, signature: flipped }), `bit ${bit}`).toThrow(Fault);
    }
    expect(() => verifyDigestSignature({ ...check, digest: digest.map((octet) => octet ^ 1) })).toThrow(Fault);
    expect(() => verifyDigestSignature({ ...check, key: makeKey(type).publicKey })).toThrow(Fault);
    expect(() => verifyDigestSignature({ ...check, key: makeKey('Ed25519').publicKey })).toThrow(/ECDSA/);
  });
});

describe('what clients are given', () => {
  const checkpointKey = parseVerifierKey(
    encodeVerifierKey('log.registry.example', makeKey('Ed25519').publicKey.spki.slice(12)),
  );
  const validFrom = new Date('2026-01-01T00:00:00Z');
  const authority = { organization: 'O', commonName: 'CN', chain: [Uint8Array.of(1), Uint8Array.of(2)], validFrom };

  it('is a trusted root in which every key has its id and its time', () => {
    const sctKey = parsePublicKey(makeKey('P-256').publicKey.spki);
    const root = describeTrustedRoot({
      registry: 'https://registry.example',
      logs: [
        {
          checkpointKeys: [checkpointKey],
          sctKeys: [{ key: sctKey }],
          validFrom,
          validUntil: new Date('2027-01-01T00:00:00Z'),
        },
      ],
      certificateAuthorities: [authority],
      timestampAuthorities: [authority],
    }) as Record<string, { baseUrl: string; logId: { keyId: string }; publicKey: Record<string, unknown> }[]>;
    const [tlog] = root['tlogs']!;
    expect(tlog).toMatchObject({
      baseUrl: 'https://log.registry.example',
      publicKey: {
        keyDetails: 'PKIX_ED25519',
        validFor: { start: '2026-01-01T00:00:00.000Z', end: '2027-01-01T00:00:00.000Z' },
      },
    });
    expect(Buffer.from(tlog!.logId.keyId, 'base64').subarray(0, 4)).toEqual(Buffer.from(checkpointKey.keyHash));
    expect(sigstoreLogId(checkpointKey)).toHaveLength(32);
    expect(root['ctlogs']![0]!.publicKey).toMatchObject({ rawBytes: encodeBase64(sctKey.spki) });
    expect(root['certificateAuthorities']![0]).toMatchObject({
      certChain: { certificates: [{ rawBytes: 'AQ==' }, { rawBytes: 'Ag==' }] },
    });
  });

  it('is a signing configuration without OpenID provider', () => {
    expect(
      describeSigningConfig({ url: 'https://registry.example', operator: 'registry.example', validFrom }),
    ).toMatchObject({
      caUrls: [{ url: 'https://registry.example', majorApiVersion: 1 }],
      oidcUrls: [],
      rekorTlogUrls: [{ url: 'https://registry.example', majorApiVersion: 2 }],
      tsaUrls: [{ url: 'https://registry.example/tsa', majorApiVersion: 1 }],
    });
  });
});
