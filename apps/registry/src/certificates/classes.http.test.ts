import { createHash, createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeUtf8, parseBase64 } from '@margo-trust/bytes';
import { certify, type KeyPair, nextSerial, type TestIdentity } from '@margo-trust/testkit';
import { parseStatement } from '@margo-trust/statement';
import {
  certificateSignatureAlgorithm,
  derOid,
  derPrimitive,
  derSequence,
  derSetOf,
  encodePem,
  type Extension,
  OID,
  parseCertificate,
  parsePem,
  readAssurance,
  TAG,
} from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { admitVendor, call, ensurePki, issueTo, makeCsr, type TestCsr } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { SignLeaf } from './sign-leaf.ts';

let registry: TestRegistry;
let vendor: string;
let directory: string;
let maker: TestIdentity;
let device: TestIdentity;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'margo-maker-'));
  maker = identity('Maker Root');
  device = identity('Device', maker);
  const roots = join(directory, 'roots.pem');
  writeFileSync(roots, pem(maker));
  registry = await startTestRegistry({ env: { ATTESTATION_ROOTS: roots } });
  await ensurePki(registry);
  vendor = await admitVendor(registry);
});
afterAll(async () => {
  await registry?.close();
  rmSync(directory, { recursive: true });
});

const pem = ({ certificate }: TestIdentity) => encodePem('CERTIFICATE', certificate.der);
const spkiOf = ({ key }: TestCsr) => new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' }));
const ask = (body: object, id = vendor) => call(registry, 'post', `/api/v1/vendors/${id}/certificates`, 'victor', body);

/** A name of a CN alone, as YubiKeys have them. */
function named(commonName: string): Uint8Array {
  const attribute = derSequence(derOid(OID.commonName), derPrimitive(TAG.utf8, encodeUtf8(commonName)));
  return derSequence(derSetOf([attribute]));
}

/** A CA of a maker of devices, or below one. */
function identity(name: string, issuer?: TestIdentity): TestIdentity {
  const constraints: Extension = {
    oid: OID.basicConstraints,
    critical: true,
    value: derSequence(derPrimitive(TAG.boolean, Uint8Array.of(0xff))),
  };
  return certify('P-256', (key) => specOf(name, key, issuer, [constraints]), issuer);
}

function specOf(name: string, key: KeyPair, issuer: TestIdentity | undefined, extensions: readonly Extension[]) {
  return {
    ...{ serial: nextSerial(), algorithm: certificateSignatureAlgorithm((issuer?.key ?? key).publicKey), extensions },
    ...{ issuer: issuer?.certificate.subject.der ?? named(name), subject: named(name), spki: key.publicKey.spki },
    ...{ notBefore: new Date('2016-03-14T00:00:00Z'), notAfter: new Date('2052-04-17T00:00:00Z') },
  };
}

/** What a YubiKey in slot 9c would say of the key. */
function attest(csr: TestCsr, by = device, firmware = Uint8Array.of(5, 7, 4)): string {
  const plain = (oid: string, value: Uint8Array): Extension => ({ oid, critical: false, value });
  const leaf = certify(
    'P-256',
    (key) => ({
      ...specOf('YubiKey PIV Attestation 9c', key, by, [
        plain('1.3.6.1.4.1.41482.3.3', firmware),
        plain('1.3.6.1.4.1.41482.3.8', Uint8Array.of(2, 1)),
      ]),
      spki: spkiOf(csr),
    }),
    by,
  );
  return pem(leaf) + pem(by);
}

describe('a key that its device vouches for', () => {
  it('gets a certificate of the hardware class, and both records say whose word that is', async () => {
    const csr = makeCsr();
    const { status, body } = await ask({ csr: csr.pem, attestation: attest(csr) });
    expect(status, JSON.stringify(body)).toBe(201);
    expect(body).toMatchObject({ assurance: 'hardware', status: 'valid' });
    const { certificate, entryId } = body as { certificate: string; entryId: string };
    expect(readAssurance(parseCertificate(parsePem('CERTIFICATE', certificate)[0]!))).toBe('hardware');
    const record = await payloadOf(entryId);
    const attestation = { device: 'yubikey-piv', firmware: '5.7.4', pinPolicy: 'once', touchPolicy: 'never' };
    expect(record).toMatchObject({ record: 'certificate-issued', assurance: 'hardware', attestation });
    expect(await payloadOf(record['announced'] as string)).toMatchObject({ assurance: 'hardware', attestation });
  });

  it('gets none when the word is about another key, of another maker, or of an unknown form', async () => {
    const csr = makeCsr();
    const unknown = identity('Unknown Maker');
    for (const attestation of [
      attest(makeCsr()),
      attest(csr, identity('Device', unknown)),
      attest(csr, unknown),
      attest(csr, device, Uint8Array.of(4, 3, 5, 7, 4)),
      pem(device),
    ]) {
      const { status, body } = await ask({ csr: csr.pem, attestation });
      expect([status, body.code]).toEqual([422, 'certificate/attestation-refused']);
    }
    expect((await ask({ csr: csr.pem, attestation: 'x' })).body.code).toBe('http/invalid-body');
    expect((await ask({ csr: csr.pem })).body).toMatchObject({ assurance: 'software' });
  });

  it('is not raised to that class once its certificate was begun in another', async () => {
    const csr = makeCsr();
    const crash = vi.spyOn(registry.app.get(SignLeaf), 'issue').mockRejectedValueOnce(new Error('the power went'));
    await ask({ csr: csr.pem });
    crash.mockRestore();
    expect((await ask({ csr: csr.pem, attestation: attest(csr) })).body.code).toBe('certificate/key-used');
    expect((await ask({ csr: csr.pem })).body).toMatchObject({ assurance: 'software' });
  });
});

describe('a key that is revoked', () => {
  const hashOf = (csr: TestCsr) => createHash('sha256').update(spkiOf(csr)).digest('hex');
  const revokeKey = (csr: TestCsr, account = 'alice') =>
    call(registry, 'post', '/api/v1/revocations', account, { target: { key: hashOf(csr) }, reason: 'keyCompromise' });
  const blocked = async (query = '') =>
    (await call(registry, 'get', `/api/v1/blocked-keys${query}`, 'alice')).body as {
      items: Record<string, string>[];
      next?: string;
    };

  it('is never certified, even though nobody has shown it here before, and governance sees it', async () => {
    const csr = makeCsr();
    const { status, text } = await revokeKey(csr);
    expect(status, text).toBe(201);
    const before = await registry.source.query(
      'SELECT (SELECT size FROM log_head), (SELECT count(*) FROM precertificate)',
    );
    const { status: refused, body } = await ask({ csr: csr.pem });
    expect([refused, body.code]).toEqual([409, 'certificate/key-blocked']);
    expect(
      await registry.source.query('SELECT (SELECT size FROM log_head), (SELECT count(*) FROM precertificate)'),
    ).toEqual(before);
    expect((await blocked()).items[0]).toMatchObject({ spkiSha256: hashOf(csr), reason: 'keyCompromise' });
  });

  it('has its certificate not finished when that was begun before', async () => {
    const csr = makeCsr();
    const crash = vi.spyOn(registry.app.get(SignLeaf), 'issue').mockRejectedValueOnce(new Error('the power went'));
    await ask({ csr: csr.pem });
    crash.mockRestore();
    await revokeKey(csr);
    expect((await ask({ csr: csr.pem })).body.code).toBe('certificate/key-blocked');
  });

  it('is listed beside the keys of certificates revoked for compromise, and of no others, page by page', async () => {
    const [lost, replaced] = [makeCsr(), makeCsr()];
    for (const [csr, reason] of [
      [lost, 'keyCompromise'],
      [replaced, 'superseded'],
    ] as const) {
      const { serial } = await issueTo(registry, vendor, csr.pem);
      await call(registry, 'post', `/api/v1/certificates/${serial}/revocation`, 'victor', { reason });
    }
    const other = makeCsr();
    await revokeKey(other);
    const first = await blocked('?limit=1');
    expect(first.items).toMatchObject([{ spkiSha256: hashOf(other) }]);
    expect(first.items[0]).not.toHaveProperty('serial');
    const second = await blocked(`?limit=1&before=${first.next}`);
    expect(second.items).toMatchObject([
      { spkiSha256: hashOf(lost), serial: expect.stringMatching(/^[4-7]/) as string },
    ]);
    expect((await blocked('?limit=100')).items.map(({ spkiSha256 }) => spkiSha256)).not.toContain(hashOf(replaced));
  });
});

describe('the next certificate', () => {
  it('is asked for in the last quarter of the one before, and both are valid', async () => {
    const own = await admitVendor(registry);
    const [one, two] = [await issueTo(registry, own), await issueTo(registry, own)];
    const shown = await Promise.all(
      [one, two].map(async ({ serial }) => (await call(registry, 'get', `/api/v1/certificates/${serial}`)).body),
    );
    for (const certificate of shown as Record<string, string>[]) {
      expect(certificate['status']).toBe('valid');
      const [from, renew, until] = ['notBefore', 'renewAfter', 'notAfter'].map((name) =>
        Date.parse(certificate[name]!),
      );
      expect(until! - renew!).toBe((until! - from!) / 4);
    }
    await call(registry, 'post', `/api/v1/certificates/${one.serial}/revocation`, 'victor', { reason: 'superseded' });
    const revoked = (await call(registry, 'get', `/api/v1/certificates/${one.serial}`)).body as object;
    expect(revoked).not.toHaveProperty('renewAfter');
  });
});

async function payloadOf(entryId: string): Promise<Record<string, unknown>> {
  const { body } = await call(registry, 'get', `/api/v1/log/entries/${entryId}`);
  const { payload } = parseStatement(parseBase64((body as { statement: string }).statement));
  return JSON.parse(Buffer.from(payload).toString()) as Record<string, unknown>;
}
