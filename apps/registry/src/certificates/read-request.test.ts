import { parseCsr, parsePem } from '@margo-trust/x509';
import { describe, expect, it, vi } from 'vitest';
import { makeCsr } from '../../../../test/pki.ts';
import { readRequest } from './read-request.ts';

vi.mock('@margo-trust/x509', async (importOriginal) => {
  const original = await importOriginal<typeof import('@margo-trust/x509')>();
  return { ...original, parseCsr: vi.fn(original.parseCsr) };
});

describe('readRequest', () => {
  it('takes the key of a request that its owner signed, under both labels of PEM', async () => {
    const { pem } = makeCsr();
    expect((await readRequest(pem)).type).toBe('P-256');
    expect(await readRequest(pem.replaceAll('CERTIFICATE', 'NEW CERTIFICATE'))).toEqual(await readRequest(pem));
  });

  it('refuses a request signed with another key', async () => {
    const [one, other] = [derOf(makeCsr().pem), derOf(makeCsr().pem)];
    // The key of one request inside the other, whose signature then is not by it.
    const at = one.indexOf(Buffer.from('03420004', 'hex'));
    const mixed = Buffer.concat([one.subarray(0, at), other.subarray(at, at + 68), one.subarray(at + 68)]);
    await expect(readRequest(asPem(mixed))).rejects.toMatchObject({ code: 'x509/bad-signature' });
  });

  it('refuses a request that another reader takes for something else', async () => {
    const { pem } = makeCsr();
    const other = parseCsr(derOf(makeCsr().pem));
    vi.mocked(parseCsr).mockReturnValueOnce(other);
    await expect(readRequest(pem)).rejects.toMatchObject({ code: 'certificate/ambiguous-request' });
  });
});

function derOf(pem: string): Buffer {
  return Buffer.from(parsePem('CERTIFICATE REQUEST', pem)[0]!);
}

function asPem(der: Buffer): string {
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
}
