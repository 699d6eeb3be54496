import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { makeCsr } from '../../../../test/pki.ts';
import { readRequest } from './read-request.ts';

afterEach(() => vi.restoreAllMocks());

describe('readRequest', () => {
  it('takes the key of a request that its owner signed, under both labels of PEM', () => {
    const { pem } = makeCsr();
    expect(readRequest(pem).type).toBe('P-256');
    expect(readRequest(pem.replaceAll('CERTIFICATE', 'NEW CERTIFICATE'))).toEqual(readRequest(pem));
  });

  it('refuses a request signed with another key', () => {
    const [one, other] = [makeCsr().pem, makeCsr().pem].map((pem) =>
      Buffer.from(pem.replace(/-----.*-----/g, ''), 'base64'),
    );
    // The key of one request inside the other, whose signature then is not by it.
    const at = one!.indexOf(Buffer.from('03420004', 'hex'));
    const mixed = Buffer.concat([one!.subarray(0, at), other!.subarray(at, at + 68), one!.subarray(at + 68)]);
    expect(() => readRequest(asPem(mixed))).toThrow(expect.objectContaining({ code: 'x509/bad-signature' }));
  });

  it('refuses a request that another reader takes for something else', () => {
    const { pem } = makeCsr();
    const publicKey = new Pkcs10CertificateRequest(makeCsr().pem).publicKey;
    vi.spyOn(Pkcs10CertificateRequest.prototype, 'publicKey', 'get').mockReturnValue(publicKey);
    expect(() => readRequest(pem)).toThrow(expect.objectContaining({ code: 'certificate/ambiguous-request' }));
    vi.spyOn(Pkcs10CertificateRequest.prototype, 'publicKey', 'get').mockImplementation(() => {
      throw new TypeError('Cannot read properties of undefined');
    });
    expect(() => readRequest(pem)).toThrow(expect.objectContaining({ code: 'certificate/ambiguous-request' }));
  });
});

function asPem(der: Buffer): string {
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
}
