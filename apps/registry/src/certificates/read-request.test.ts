import { parseCsr, parsePem } from '@margo-trust/x509';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import { describe, expect, it, vi } from 'vitest';
import { makeCsr } from '../../../../test/pki.ts';
import { readRequest, spkiByPosition } from './read-request.ts';

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

describe('spkiByPosition', () => {
  it.each(['P-256', 'P-384', 'Ed25519', 2_048] as const)('finds the key of %s that a stranger finds', (kind) => {
    const der = derOf(makeCsr(kind, ['-addext', 'subjectAltName=DNS:a.example']).pem);
    expect(Buffer.from(spkiByPosition(der))).toEqual(secondOpinion(der));
  });

  it('finds no other key than a stranger, whatever is damaged', () => {
    const whole = derOf(makeCsr().pem);
    let read = 0;
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const der = Buffer.from(whole);
      der[bit >> 3]! ^= 1 << (bit & 7);
      const found = spkiByPosition(der); // throws for nothing
      try {
        parseCsr(der);
      } catch {
        continue;
      }
      read += 1;
      const opinion = secondOpinion(der);
      if (opinion !== undefined) expect(Buffer.from(found)).toEqual(opinion);
    }
    expect(read).toBeGreaterThan(100);
    for (let length = 0; length < whole.length; length += 1) spkiByPosition(whole.subarray(0, length));
  });
});

/** What a reader by other people finds; nothing when it refuses. */
function secondOpinion(der: Buffer): Buffer | undefined {
  try {
    return Buffer.from(new Pkcs10CertificateRequest(Uint8Array.from(der)).publicKey.rawData);
  } catch {
    return undefined;
  }
}

function derOf(pem: string): Buffer {
  return Buffer.from(parsePem('CERTIFICATE REQUEST', pem)[0]!);
}

function asPem(der: Buffer): string {
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
}
