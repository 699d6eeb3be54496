import { parseBase64 } from '@margo-trust/bytes';
import { parseStatement } from '@margo-trust/statement';
import { type Crl, parseCertificate, parseCrl, verifyCrl } from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addMember, admitVendor, call, ensurePki, issueTo, verifyWithOpenSsl } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { CertificateReader } from '../certificates/certificate.reader.ts';
import { Db } from '../db/db.ts';
import { wireTime } from '../wire-time.ts';
import { IssueCrl } from './issue-crl.ts';
import { RevocationReader } from './revocation.reader.ts';

let registry: TestRegistry;
let vendor: string;

beforeAll(async () => {
  registry = await startTestRegistry();
  await ensurePki(registry);
  vendor = await admitVendor(registry);
});
afterAll(() => registry?.close());

const revoke = (serial: string, body: object, account: string | undefined = 'victor') =>
  call(registry, 'post', `/api/v1/certificates/${serial}/revocation`, account, body);

/** Of the shard of this certificate. */
const publishedCrlOf = (serial: string) => publishedCrl(`/crl/issuing-1/${parseInt(serial.slice(-2), 16) % 128}.crl`);

async function publishedCrl(path: string): Promise<Crl> {
  const response = await fetch(`${registry.url}${path}`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/pkix-crl');
  return parseCrl(new Uint8Array(await response.arrayBuffer()));
}

describe('revoking', () => {
  it('puts the certificate on the CRL, the list and the log, and openssl refuses it', async () => {
    const { serial, fingerprint, certificate } = await issueTo(registry, vendor);
    expect((await verifyWithOpenSsl(registry, certificate)).output).toContain('leaf.pem: OK');
    const before = await publishedCrlOf(serial);

    const response = await revoke(serial, { reason: 'keyCompromise' });
    expect(response.status, response.text).toBe(201);
    expect(response.body).toEqual({
      serial,
      fingerprint,
      vendorId: vendor,
      reason: 'keyCompromise',
      revokedAt: expect.stringMatching(/Z$/) as string,
      entryId: expect.stringMatching(/^[\w-]{43}$/) as string,
    });
    const issueCrl = registry.app.get(IssueCrl);
    await issueCrl.run();
    expect(await issueCrl.isDue()).toBe(false);

    const crl = await publishedCrlOf(serial);
    expect(crl.number! > before.number!).toBe(true);
    expect(crl.entries.get(serial)).toMatchObject({ reason: 'keyCompromise' });
    verifyCrl(crl, (await registry.app.get(CertificateReader).loadAuthority('issuing-1')).certificate);
    expect((await verifyWithOpenSsl(registry, certificate)).output).toContain('certificate revoked');

    const shown = await call(registry, 'get', `/api/v1/certificates/${serial}`);
    expect(shown.body).toMatchObject({
      status: 'revoked',
      revocationReason: 'keyCompromise',
      revokedAt: response.body.revokedAt,
      revocationEntryId: response.body.entryId,
    });
    const entry = await call(registry, 'get', `/api/v1/log/entries/${response.body.entryId}`);
    const statement = parseStatement(parseBase64(entry.body.statement));
    expect(JSON.parse(Buffer.from(statement.payload).toString())).toMatchObject({
      record: 'certificate-revoked',
      vendor,
      serial,
      fingerprint,
      reason: 'keyCompromise',
    });
    const certificates = await registry.app.get(RevocationReader).certificates();
    expect(certificates).toContainEqual(expect.objectContaining({ serial, fingerprint, issuer: 'issuing-1' }));
  });

  it('again says the same, and changes nothing', async () => {
    const { serial } = await issueTo(registry, vendor);
    const first = await revoke(serial, { reason: 'affiliationChanged' });
    const sequence = await registry.app.get(RevocationReader).sequence();
    const second = await revoke(serial.toUpperCase(), { reason: 'affiliationChanged' });
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(second.body).toEqual(first.body);
    expect(await registry.app.get(RevocationReader).sequence()).toBe(sequence);
  });

  it('several at once gives each decision its own number', async () => {
    const { serial } = await issueTo(registry, vendor);
    const other = await issueTo(registry, vendor);
    const before = await registry.app.get(RevocationReader).sequence();
    const answers = await Promise.all(
      [serial, other.serial, serial, other.serial, serial].map((one) => revoke(one, { reason: 'unspecified' })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 201, 201]);
    expect(await registry.app.get(RevocationReader).sequence()).toBe(before + 2n);
  });

  it('with a date puts that date on the CRL twice, and may move it earlier only', async () => {
    const { serial, certificate } = await issueTo(registry, vendor);
    const { notBefore } = parseCertificate(parseBase64(certificate.replace(/-----.*-----|\n/g, '')));
    const at = (seconds: number) => new Date(notBefore.getTime() + seconds * 1_000);
    const dated = (seconds: number) => ({ reason: 'keyCompromise', invalidityDate: wireTime(at(seconds)) });

    expect((await revoke(serial, dated(40))).status).toBe(201);
    expect((await revoke(serial, dated(41))).body.code).toBe('revocation/narrower');
    const earlier = await revoke(serial, dated(20));
    expect([earlier.status, earlier.body.invalidityDate]).toEqual([201, wireTime(at(20))]);
    await registry.app.get(IssueCrl).run();
    expect((await publishedCrlOf(serial)).entries.get(serial)).toEqual({
      reason: 'keyCompromise',
      revokedAt: at(20),
      invalidityDate: at(20),
    });
    const certificates = await registry.app.get(RevocationReader).certificates();
    expect(certificates.filter((one) => one.serial === serial)).toHaveLength(1);
  });

  it('as superseded is on our list but not on the CRL', async () => {
    const { serial, certificate } = await issueTo(registry, vendor);
    expect((await revoke(serial, { reason: 'superseded' })).status).toBe(201);
    await registry.app.get(IssueCrl).run();
    expect((await publishedCrlOf(serial)).entries.has(serial)).toBe(false);
    expect((await verifyWithOpenSsl(registry, certificate)).output).toContain('OK');
    const certificates = await registry.app.get(RevocationReader).certificates();
    expect(certificates.some((one) => one.serial === serial)).toBe(true);

    expect((await revoke(serial, { reason: 'keyCompromise' })).status).toBe(201);
    await registry.app.get(IssueCrl).run();
    expect((await publishedCrlOf(serial)).entries.has(serial)).toBe(true);
  });

  it.each([
    [{ reason: 'keyCompromise', invalidityDate: '2999-01-01T00:00:00Z' }, 'revocation/invalid-date'],
    [{ reason: 'keyCompromise', invalidityDate: '2001-01-01T00:00:00Z' }, 'revocation/invalid-date'],
    [{ reason: 'keyCompromise', invalidityDate: '2026-02-31T00:00:00Z' }, 'revocation/invalid-date'],
    [{ reason: 'keyCompromise', invalidityDate: 'yesterday' }, 'http/invalid-body'],
    [{ reason: 'certificateHold' }, 'http/invalid-body'],
    [{ reason: 'cACompromise' }, 'http/invalid-body'],
    [{ reason: 1 }, 'http/invalid-body'],
    [{}, 'http/invalid-body'],
    [{ reason: 'keyCompromise', more: true }, 'http/invalid-body'],
  ])('refuses %j', async (body, code) => {
    const { serial } = await issueTo(registry, vendor);
    const response = await revoke(serial, body);
    expect([response.status, response.body.code]).toEqual([422, code]);
  });

  it('refuses serial numbers that were never issued', async () => {
    for (const serial of ['4'.repeat(32), 'x', '%00', '-1', "'"]) {
      const response = await revoke(serial, { reason: 'keyCompromise' });
      expect([response.status, response.body.code], serial).toEqual([404, 'certificate/not-found']);
    }
  });
});

describe('may be done', () => {
  it.each([
    ['nobody without a token', undefined, undefined, 401],
    ['no stranger', 'vera', undefined, 403],
    ['no auditor of the vendor', 'vera', 'auditor', 403],
    ['its publisher', 'vera', 'publisher', 201],
    ['its security people', 'vera', 'security', 201],
    ['its owner', 'victor', undefined, 201],
    ['governance', 'carol', undefined, 201],
  ] as const)('by %s', async (_who, account, role, status) => {
    const own = await admitVendor(registry);
    const { serial } = await issueTo(registry, own);
    if (role !== undefined) await addMember(registry, own, 'vera', role);
    const path = `/api/v1/certificates/${serial}/revocation`;
    expect((await call(registry, 'post', path, account, { reason: 'unspecified' })).status).toBe(status);
  });

  it('by a suspended vendor too', async () => {
    const own = await admitVendor(registry);
    const { serial } = await issueTo(registry, own);
    await call(registry, 'post', `/api/v1/vendors/${own}/suspension`, 'alice', { reason: 'Check.' });
    expect((await revoke(serial, { reason: 'keyCompromise' })).status).toBe(201);
  });
});

it('the ARL of the root is good for a year', async () => {
  const arl = await publishedCrl('/crl/root/0.crl');
  expect(arl.nextUpdate!.getTime() - arl.thisUpdate.getTime()).toBe(365 * 86_400_000);
  verifyCrl(arl, (await registry.app.get(CertificateReader).loadAuthority('root')).certificate);
});

it('the database refuses to forget a revocation', async () => {
  for (const sql of [
    'DELETE FROM revocation',
    "UPDATE revocation SET reason = 'superseded'",
    'DELETE FROM crl',
    'TRUNCATE crl_twin',
  ]) {
    await expect(registry.app.get(Db).query(sql)).rejects.toThrow(/append-only/);
  }
});
