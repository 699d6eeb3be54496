import { generateKeyPairSync } from 'node:crypto';
import { parsePublicKey, verifySignature } from '@margo-trust/crypto';
import { makeCas, makeLeaf, openssl } from '@margo-trust/testkit';
import { encodePem, parseCsr, parsePem, verifyCsr } from '@margo-trust/x509';
import { describe, expect, it } from 'vitest';
import { encodeCertificateRequest, makePrivateKey, openIdentity, openPrivateKey, vendorIdOf } from '../src/index.ts';

const pemOf = (...ders: Uint8Array[]) => ders.map((der) => encodePem('CERTIFICATE', der)).join('');

describe('openPrivateKey', () => {
  it.each([
    ['P-256', 'ES256'],
    ['P-384', 'ES384'],
    ['RSA-3072', 'PS384'],
  ] as const)('signs with %s as %s', async (type, algorithm) => {
    const signer = openPrivateKey(makePrivateKey(type));
    const data = Uint8Array.of(1, 2, 3);
    expect(signer.algorithm).toBe(algorithm);
    const signature = await signer.sign(data);
    expect(() => verifySignature({ algorithm, key: parsePublicKey(signer.spki), data, signature })).not.toThrow();
  });

  it('makes a request that OpenSSL and our own reader accept', async () => {
    for (const type of ['P-256', 'RSA-3072'] as const) {
      const pem = await encodeCertificateRequest(openPrivateKey(makePrivateKey(type)));
      const run = openssl(['req', '-in', 'request.pem', '-verify', '-noout'], { 'request.pem': pem });
      expect(run.isOk, run.output).toBe(true);
      expect(() => verifyCsr(parseCsr(parsePem('CERTIFICATE REQUEST', pem)[0]!))).not.toThrow();
    }
  });

  it('opens an encrypted key with its passphrase only', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = privateKey.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'open',
    }) as string;
    expect(openPrivateKey(pem, 'open').algorithm).toBe('ES256');
    for (const passphrase of [undefined, 'shut']) {
      expect(() => openPrivateKey(pem, passphrase)).toThrow(expect.objectContaining({ code: 'client/bad-key' }));
    }
  });

  it.each([
    ['Ed25519', generateKeyPairSync('ed25519').privateKey],
    ['RSA with 2048 bits', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
    ['RSA with 4096 bits', generateKeyPairSync('rsa', { modulusLength: 4096 }).privateKey],
    ['P-521', generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey],
  ])('refuses %s', (_name, key) => {
    const pem = key.export({ type: 'pkcs8', format: 'pem' }) as string;
    expect(() => openPrivateKey(pem)).toThrow(expect.objectContaining({ code: 'client/bad-key' }));
  });

  it.each(['', 'not a key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'])('refuses %j', (pem) => {
    expect(() => openPrivateKey(pem)).toThrow(expect.objectContaining({ code: 'client/bad-key' }));
  });
});

describe('openIdentity', () => {
  const cas = makeCas();
  const { key, certificate } = makeLeaf(cas);
  const signer = openPrivateKey(key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  const { issuing, root } = cas;

  it('knows the vendor by the certificate', () => {
    const identity = openIdentity(signer, pemOf(certificate.der, issuing.certificate.der, root.certificate.der));
    expect(vendorIdOf(identity)).toBe('01jx0000000000000000000000');
    expect(identity.chain).toHaveLength(3);
  });

  it.each([
    ['a chain of another key', [issuing.certificate.der, root.certificate.der], 'client/key-mismatch'],
    ['a chain without its root', [certificate.der, issuing.certificate.der], 'client/incomplete-chain'],
    ['a chain with a gap', [certificate.der, root.certificate.der], 'client/incomplete-chain'],
  ])('refuses %s', (_name, ders, code) => {
    expect(() => openIdentity(signer, pemOf(...ders))).toThrow(expect.objectContaining({ code }));
  });
});
