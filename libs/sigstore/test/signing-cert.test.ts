import { encodeUtf8 } from '@margo-trust/bytes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '@margo-trust/fault';
import { describeIssuers, describeSigningCert, describeTrustBundle, parseSigningCertRequest } from '../src/index.ts';

const parse = (request: unknown) => parseSigningCertRequest(encodeUtf8(JSON.stringify(request)));
const base64 = (text: string) => Buffer.from(text).toString('base64');
const PEM = '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n';
const bare = { publicKey: { algorithm: 'ECDSA', content: 'a key' }, proofOfPossession: base64('proof') };

describe('parseSigningCertRequest', () => {
  it('reads a bare key with its proof, and the token in the body', () => {
    expect(parse({ credentials: { oidcIdentityToken: 'a.b.c' }, publicKeyRequest: bare })).toEqual({
      token: 'a.b.c',
      key: { publicKey: 'a key', proof: encodeUtf8('proof') },
    });
  });

  it('reads a certification request, and leaves the token to the header', () => {
    expect(parse({ certificateSigningRequest: base64(PEM) })).toEqual({ key: { csr: PEM } });
  });

  it('reads either spelling of a member, as Protocol Buffers want it', () => {
    const credentials = { oidc_identity_token: 'a.b.c' };
    expect(parse({ credentials, certificate_signing_request: base64(PEM) }).token).toBe('a.b.c');
  });

  it.each([
    ['neither key nor request', {}],
    ['both', { publicKeyRequest: bare, certificateSigningRequest: base64(PEM) }],
    ['a request that is no base64', { certificateSigningRequest: '!' }],
    ['a request that is no text', { certificateSigningRequest: Buffer.from([0xff, 0xfe]).toString('base64') }],
    ['a token that is none', { credentials: { oidcIdentityToken: 1 }, publicKeyRequest: bare }],
    ['no proof', { publicKeyRequest: { publicKey: bare.publicKey } }],
    ['no content', { publicKeyRequest: { ...bare, publicKey: {} } }],
    ['a list', []],
  ])('refuses %s', (_, request) => {
    expect(() => parse(request)).toThrow(expect.objectContaining({ code: 'sigstore/bad-request' }));
  });

  it('gives a request or a Fault for whatever bytes come', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.json().map(encodeUtf8)), (bytes) => {
        try {
          parseSigningCertRequest(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      }),
    );
  });
});

it('shows chains as Fulcio does', () => {
  const pem = expect.stringMatching(/^-----BEGIN CERTIFICATE-----\nAQ==\n-----END CERTIFICATE-----\n$/);
  const chain = [Uint8Array.of(1)];
  expect(describeSigningCert(chain)).toEqual({ signedCertificateEmbeddedSct: { chain: { certificates: [pem] } } });
  expect(describeTrustBundle([chain])).toEqual({ chains: [{ certificates: [pem] }] });
  expect(describeIssuers(['https://ci.example'], 'https://registry.example')).toEqual({
    issuers: [
      {
        issuerUrl: 'https://ci.example',
        audience: 'https://registry.example',
        challengeClaim: 'sub',
        spiffeTrustDomain: '',
      },
    ],
  });
});
