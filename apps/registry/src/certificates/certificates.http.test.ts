import { X509Certificate } from 'node:crypto';
import { encodeBase64, parseBase64 } from '@margo-trust/bytes';
import { parsePublicKey } from '@margo-trust/crypto';
import { parseStatement } from '@margo-trust/statement';
import { lintLeaf, OID, parseCertificate, parsePem, removeScts, verifyPath, verifySct } from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  addMember,
  admitVendor,
  call,
  csrOf,
  ensurePki,
  issueTo,
  makeCsr,
  verifyWithOpenSsl,
} from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { CertificateReader } from './certificate.reader.ts';
import { CertificateStore } from './certificate.store.ts';
import { AuditTrail } from '../audit/audit-trail.store.ts';
import { AppendRecord } from '../log/append-record.ts';
import { SignSct } from '../log/sign-sct.ts';
import { VendorReader } from '../vendors/vendor.reader.ts';
import { findMovedAddress } from './publication-address.ts';
import { SignLeaf } from './sign-leaf.ts';

let registry: TestRegistry;
let vendor: string;

beforeAll(async () => {
  registry = await startTestRegistry();
  await ensurePki(registry);
  vendor = await admitVendor(registry, 'Müller, Söhne & Co. KG');
});
afterAll(() => registry?.close());

const ask = (body: object, account: string | undefined = 'victor', id = vendor) =>
  call(registry, 'post', `/api/v1/vendors/${id}/certificates`, account, body);

describe('authorities', () => {
  it('are published as DER', async () => {
    for (const name of ['root', 'issuing-1', 'tsa-ca', 'tsa']) {
      const response = await fetch(`${registry.url}/ca/${name}.crt`);
      expect(response.headers.get('content-type')).toBe('application/pkix-cert');
      const certificate = new X509Certificate(Buffer.from(await response.arrayBuffer()));
      expect(certificate.subject).toContain('O=registry.localhost');
    }
  });

  it('form a chain for code and a separate one for time', async () => {
    const authorities = await registry.app.get(CertificateReader).authorities();
    const named = (name: string) => authorities.find((authority) => authority.name === name)!.certificate;
    expect(named('issuing-1').issuerText).toBe(named('root').subjectText);
    expect(named('tsa-ca').issuerText).toBe(named('tsa-ca').subjectText);
    const { path } = verifyPath({
      leaf: named('tsa'),
      intermediates: [],
      anchors: [named('tsa-ca').der],
      at: new Date(),
      eku: OID.timeStamping,
    });
    expect(path).toHaveLength(2);
  });
});

describe('a registry that has moved', () => {
  it('is told so, because its certificates name the old address', async () => {
    const reader = registry.app.get(CertificateReader);
    expect(await findMovedAddress(reader, registry.url)).toBeUndefined();
    for (const url of ['http://127.0.0.1:1', 'https://registry.example']) {
      const warning = await findMovedAddress(reader, url);
      expect(warning).toContain(`name ${registry.url} for CRLs`);
      expect(warning).toContain(`now it is at ${url}. Unless the old address answers`);
    }
  });

  it('is not, while https stands in front of the plain http that certificates name', async () => {
    const reader = { authorities: () => [1], publicationUrl: () => 'http://registry.example' } as never;
    expect(await findMovedAddress(reader, 'https://registry.example')).toBeUndefined();
    expect(await findMovedAddress(reader, 'https://registry.example:8443')).toBeUndefined();
  });

  it('cannot be, before it was founded', async () => {
    expect(await findMovedAddress({ authorities: () => [] } as never, registry.url)).toBeUndefined();
  });
});

describe('a certificate', () => {
  it.each([
    ['P-256', makeCsr('P-256')],
    ['P-384', makeCsr('P-384')],
    ['RSA', makeCsr(3072)],
  ])('for a %s key is issued, keeps the profile and satisfies openssl', async (_kind, { pem, key }) => {
    const response = await ask({ csr: pem });
    expect(response.status, response.text).toBe(201);
    const { serial, fingerprint, certificate, chain, subject } = response.body as Record<string, string>;
    expect(response.headers['location']).toBe(`/api/v1/certificates/${serial}`);
    expect(serial).toMatch(/^[4-7][0-9a-f]{31}$/);
    expect(subject).toBe('CN=Müller\\, Söhne & Co. KG release signing,O=Müller\\, Söhne & Co. KG,ST=Hessen,C=DE');

    const issuer = await registry.app.get(CertificateReader).loadAuthority('issuing-1');
    const [der] = parsePem('CERTIFICATE', certificate!);
    expect(lintLeaf(der!, { issuer: issuer.certificate, registry: 'https://registry.localhost' })).toEqual([]);
    const leaf = parseCertificate(der!);
    expect(leaf.fingerprint).toBe(fingerprint);
    expect(leaf.uriSans).toEqual([`https://${vendor}.vendors.registry.localhost/`]);
    const shard = parseInt(leaf.serialHex.slice(-2), 16) % 128;
    expect(leaf.crlUrls).toEqual([`${registry.url}/crl/issuing-1/${shard}.crl`]);
    expect(leaf.notAfter.getTime() - leaf.notBefore.getTime()).toBe(397 * 86_400_000);
    expect(new X509Certificate(certificate!).checkPrivateKey(key)).toBe(true);
    expect(parsePem('CERTIFICATE', chain!)).toHaveLength(3);

    const verified = await verifyWithOpenSsl(registry, certificate!);
    expect(verified.output).toContain('leaf.pem: OK');
  });

  it('is in the log with its bytes before it is handed out', async () => {
    const issued = await issueTo(registry, vendor);
    const entry = await call(registry, 'get', `/api/v1/log/entries/${issued.entryId}`);
    expect(entry.body).toMatchObject({ vendorId: vendor, certificateFingerprint: issued.fingerprint });
    const statement = parseStatement(parseBase64(entry.body.statement));
    expect(statement.subject).toBe(`certificate:${issued.fingerprint}`);
    const record = JSON.parse(Buffer.from(statement.payload).toString()) as Record<string, string>;
    expect(record).toMatchObject({ record: 'certificate-issued', vendor, issuer: 'issuing-1', serial: issued.serial });
    expect(parseCertificate(parseBase64(record['certificate']!)).fingerprint).toBe(issued.fingerprint);
    const announced = await call(registry, 'get', `/api/v1/log/entries/${record['announced']}`);
    expect(announced.body).toMatchObject({ vendorId: vendor, subject: expect.stringMatching(/^precertificate:/) });
    const draft = JSON.parse(
      Buffer.from(parseStatement(parseBase64(announced.body.statement)).payload).toString(),
    ) as Record<string, string>;
    expect(draft).toMatchObject({ record: 'certificate-announced', vendor, serial: issued.serial });
    expect(Number(announced.body.index)).toBeLessThan(Number(entry.body.index));
    const leaf = parseCertificate(parseBase64(record['certificate']!));
    expect(encodeBase64(removeScts(leaf.tbs)), 'what was logged is what was signed').toBe(draft['tbsCertificate']);

    const trail = await registry.source.query('SELECT action FROM audit_event WHERE subject = $1', [
      `certificate:${issued.fingerprint}`,
    ]);
    expect(trail).toEqual([{ action: 'certificate-issued' }]);
  });

  it('carries the promise of the log, by the key in log.json, dated when it was logged', async () => {
    const issued = await issueTo(registry, vendor);
    const [der] = parsePem('CERTIFICATE', issued.certificate);
    const issuer = (await registry.app.get(CertificateReader).loadAuthority('issuing-1')).certificate;
    const { sctKey } = (await call(registry, 'get', '/log/log.json')).body as { sctKey: string };
    const log = parsePublicKey(parseBase64(sctKey));
    const { time } = verifySct(parseCertificate(der!), issuer.spki, log);
    const [row] = await registry.source.query<{ logged_at: Date; size: string }[]>(
      `SELECT logged_at, (SELECT min(size) FROM log_seal WHERE size > log_index) AS size FROM precertificate
       WHERE serial = $1`,
      [issued.serial],
    );
    expect(time).toEqual(row!.logged_at);
    expect(lintLeaf(der!, { issuer, registry: 'https://registry.localhost', log })).toEqual([]);
  });

  describe.each([
    ['before the CA signs', SignLeaf, 'issue'],
    ['before the certificate is stored', CertificateStore, 'insertAll'],
  ] as const)('cut short %s', (_, token, method) => {
    it('is logged, given to nobody, and given to whoever asks again for its key', async () => {
      const own = await admitVendor(registry);
      const csr = makeCsr().pem;
      const crash = vi.spyOn(registry.app.get<SignLeaf & CertificateStore>(token), method);
      crash.mockRejectedValueOnce(new Error('the power went'));
      expect((await ask({ csr, commonName: 'First' }, 'victor', own)).status).toBe(500);
      crash.mockRestore();

      const [cut] = await registry.source.query<{ serial: string; entry_id: string }[]>(
        'SELECT serial, entry_id FROM precertificate WHERE vendor_id = $1',
        [own],
      );
      expect((await call(registry, 'get', `/api/v1/log/entries/${cut!.entry_id}`)).status).toBe(200);
      expect((await call(registry, 'get', `/api/v1/certificates/${cut!.serial}`)).status).toBe(404);
      const subject = (await call(registry, 'get', `/api/v1/log/entries?vendor=${own}`)).body.items[0]
        .subject as string;
      expect(subject).toMatch(/^precertificate:/);

      const other = await admitVendor(registry);
      expect((await ask({ csr }, 'victor', other)).body.code).toBe('certificate/key-used');
      const again = await ask({ csr, commonName: 'Second' }, 'victor', own);
      expect(again.status, again.text).toBe(201);
      expect(again.body).toMatchObject({ serial: cut!.serial, subject: expect.stringContaining('CN=First') });
      const count = 'SELECT count(*)::int AS n FROM precertificate WHERE vendor_id = $1';
      expect(await registry.source.query(count, [own])).toEqual([{ n: 1 }]);
    });
  });

  describe.each([
    ['before it is announced', SignLeaf, 'draft', 1, 0],
    ['before the announcement is logged', AppendRecord, 'runAll', 1, 0],
    ['before the announcement is stored', CertificateStore, 'insertPrecertificates', 1, 0],
    ['before the log promises', SignSct, 'run', 1, 1],
    ['before it is logged', AppendRecord, 'runAll', 2, 1],
    ['before it is in the audit trail', AuditTrail, 'appendAll', 1, 1],
  ] as const)('killed %s', (_, token, method, nth, announced) => {
    it('is either logged and handed out, or neither', async () => {
      const own = await admitVendor(registry);
      const step = registry.app.get<Record<string, (...args: unknown[]) => unknown>>(token as never);
      const real = step[method]!.bind(step);
      let calls = 0;
      const crash = vi.spyOn(step, method).mockImplementation((...args) => {
        calls += 1;
        return calls === nth ? Promise.reject(new Error('the power went')) : real(...args);
      });
      const csr = makeCsr().pem;
      expect((await ask({ csr }, 'victor', own)).status).toBe(500);
      crash.mockRestore();
      const subjects = async () =>
        (
          (await call(registry, 'get', `/api/v1/log/entries?vendor=${own}`)).body as { items: { subject: string }[] }
        ).items.map(({ subject }) => subject.replace(/:.*/, ''));
      const certificates = async () =>
        ((await call(registry, 'get', `/api/v1/vendors/${own}/certificates`)).body as { items: object[] }).items;
      const before = ['vendor', ...Array<string>(announced).fill('precertificate')];
      expect((await subjects()).reverse()).toEqual(before);
      expect(await certificates()).toEqual([]);

      const again = await ask({ csr }, 'victor', own);
      expect(again.status, again.text).toBe(201);
      expect((await subjects()).reverse()).toEqual(['vendor', 'precertificate', 'certificate']);
      expect(await certificates()).toMatchObject([{ serial: again.body.serial }]);
    });
  });

  it('is refused alone, when it is asked for together with others', async () => {
    const [own, fallen] = [await admitVendor(registry), await admitVendor(registry)];
    const [twice, begun] = [makeCsr().pem, makeCsr().pem];
    const crash = vi.spyOn(registry.app.get(SignLeaf), 'issue').mockRejectedValueOnce(new Error('the power went'));
    await ask({ csr: begun }, 'victor', own);
    crash.mockRestore();
    // The vendor falls between what the request was told and what the transaction sees.
    const load = vi.spyOn(registry.app.get(VendorReader), 'load');
    const active = await registry.app.get(VendorReader).load(fallen);
    await call(registry, 'post', `/api/v1/vendors/${fallen}/suspension`, 'alice', { reason: 'Check.' });
    load.mockImplementation(async (id) => (id === fallen ? active : { ...active, id: own }));
    const answers = await Promise.all([
      ...Array.from({ length: 12 }, () => ask({ csr: makeCsr().pem }, 'victor', own)),
      ask({ csr: twice }, 'victor', own),
      ask({ csr: twice }, 'victor', own),
      ask({ csr: begun }, 'victor', own),
      ask({ csr: makeCsr().pem, commonName: 'www.example.com' }, 'victor', own),
      ask({ csr: makeCsr().pem }, 'victor', fallen),
    ]);
    load.mockRestore();
    expect(answers.slice(0, 12).map(({ status }) => status)).toEqual(Array<number>(12).fill(201));
    expect(
      answers
        .slice(12, 14)
        .map(({ status }) => status)
        .sort(),
    ).toEqual([201, 409]);
    expect(answers.slice(14).map(({ status, body }) => [status, body.code])).toEqual([
      [201, undefined],
      [422, 'certificate/profile-violation'],
      [409, 'certificate/vendor-not-active'],
    ]);
    const serials = answers.filter(({ status }) => status === 201).map(({ body }) => body.serial as string);
    expect(new Set(serials).size).toBe(14);
  });

  it('is promised and signed only while its announcement is there', async () => {
    const own = await admitVendor(registry);
    const issue = vi.spyOn(registry.app.get(SignLeaf), 'issue');
    const lost = vi.spyOn(registry.app.get(CertificateStore), 'findPrecertificates').mockResolvedValue(new Map());
    expect((await ask({ csr: makeCsr().pem }, 'victor', own)).status).toBe(500);
    expect(issue).not.toHaveBeenCalled();
    lost.mockRestore();
    issue.mockRestore();
    expect((await call(registry, 'get', `/api/v1/vendors/${own}/certificates`)).body.items).toEqual([]);
  });

  it('is not finished for a vendor that was suspended in between', async () => {
    const own = await admitVendor(registry);
    const csr = makeCsr().pem;
    const crash = vi.spyOn(registry.app.get(SignLeaf), 'issue').mockRejectedValueOnce(new Error('the power went'));
    await ask({ csr }, 'victor', own);
    crash.mockRestore();
    await call(registry, 'post', `/api/v1/vendors/${own}/suspension`, 'alice', { reason: 'Check.' });
    expect((await ask({ csr }, 'victor', own)).body.code).toBe('certificate/vendor-not-active');
  });

  it('is found by serial number and among those of its vendor, page by page', async () => {
    const own = await admitVendor(registry);
    const serials = [];
    for (let i = 0; i < 3; i++) serials.unshift((await issueTo(registry, own)).serial);

    const one = await call(registry, 'get', `/api/v1/certificates/${serials[0]!.toUpperCase()}`);
    expect(one.body).toMatchObject({ serial: serials[0], vendorId: own, status: 'valid' });
    const first = await call(registry, 'get', `/api/v1/vendors/${own}/certificates?limit=2`);
    expect(first.body.items.map(({ serial }: { serial: string }) => serial)).toEqual(serials.slice(0, 2));
    const link = /<(.+)>; rel="next"/.exec(first.headers['link'] as string)![1]!;
    const second = await call(registry, 'get', link);
    expect(second.body).toMatchObject({ items: [{ serial: serials[2] }] });
    expect(second.body).not.toHaveProperty('next');
  });

  it('takes a common name, and nothing else of the request', async () => {
    const { pem } = makeCsr('P-256', [
      '-addext',
      'basicConstraints=CA:TRUE',
      '-addext',
      'subjectAltName=DNS:evil.example',
    ]);
    const { body } = await ask({ csr: pem, commonName: 'Line 3 releases' });
    const leaf = new X509Certificate(body.certificate as string);
    expect(leaf.ca).toBe(false);
    expect(leaf.subjectAltName).toBe(`URI:https://${vendor}.vendors.registry.localhost/`);
    expect(leaf.subject).toContain('CN=Line 3 releases');
  });

  it('has a common name that fits even for the longest legal name', async () => {
    const own = await admitVendor(registry, 'W'.repeat(64));
    expect(
      (await call(registry, 'post', `/api/v1/vendors/${own}/certificates`, 'victor', { csr: makeCsr().pem })).body
        .subject,
    ).toContain('CN=Release signing');
  });
});

describe('is refused', () => {
  const expectProblem = async (answer: ReturnType<typeof ask>, status: number, code: string) => {
    const { headers, body, status: found } = await answer;
    expect([found, body.code]).toEqual([status, code]);
    expect(headers['content-type']).toMatch(/^application\/problem\+json/);
  };

  it('without a token, to strangers and to governance', async () => {
    const csr = makeCsr().pem;
    await expectProblem(
      call(registry, 'post', `/api/v1/vendors/${vendor}/certificates`, undefined, { csr }),
      401,
      'caller/unauthenticated',
    );
    await expectProblem(ask({ csr }, 'vera'), 403, 'caller/forbidden');
    await expectProblem(ask({ csr }, 'alice'), 403, 'caller/forbidden');
  });

  it.each([
    ['publisher', 201],
    ['security', 403],
    ['auditor', 403],
  ] as const)('or not, by role: a member who is %s gets %i', async (role, status) => {
    const own = await admitVendor(registry);
    await addMember(registry, own, 'vera', role);
    expect((await ask({ csr: makeCsr().pem }, 'vera', own)).status).toBe(status);
  });

  it('to a vendor that is not active or does not exist', async () => {
    const own = await admitVendor(registry);
    await call(registry, 'post', `/api/v1/vendors/${own}/suspension`, 'alice', { reason: 'Check.' });
    await expectProblem(ask({ csr: makeCsr().pem }, 'victor', own), 409, 'certificate/vendor-not-active');
    await expectProblem(ask({ csr: makeCsr().pem }, 'victor', '01jx0000000000000000000000'), 404, 'vendor/not-found');
  });

  it('for a key that was ever certified, also for somebody else', async () => {
    const { key } = makeCsr();
    const { serial } = await issueTo(registry, vendor, csrOf(key));
    await expectProblem(ask({ csr: csrOf(key) }), 409, 'certificate/key-used');
    const other = await admitVendor(registry);
    await expectProblem(ask({ csr: csrOf(key) }, 'victor', other), 409, 'certificate/key-used');
    // Its own vendor is told which, whose answer may have been lost; others are not.
    expect((await ask({ csr: csrOf(key) })).body.detail).toContain(serial);
    expect((await ask({ csr: csrOf(key) }, 'victor', other)).body.detail).not.toContain(serial);
  });

  it('for one key asked twice at the same moment: one gets it', async () => {
    const csr = makeCsr().pem;
    const answers = await Promise.all([ask({ csr }), ask({ csr }), ask({ csr })]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
  });

  it.each([
    ['P-521', 'P-521', 422, 'certificate/key-refused'],
    ['Ed25519', 'Ed25519', 422, 'certificate/key-refused'],
    ['RSA with 2048 bits', 2048, 422, 'certificate/key-refused'],
    ['RSA with 4096 bits', 4096, 422, 'certificate/key-refused'],
  ] as const)('for %s', async (_name, kind, status, code) => {
    await expectProblem(ask({ csr: makeCsr(kind).pem }), status, code);
  });

  it('for a common name that looks like a host, or is none', async () => {
    await expectProblem(
      ask({ csr: makeCsr().pem, commonName: 'www.example.com' }),
      422,
      'certificate/profile-violation',
    );
    await expectProblem(ask({ csr: makeCsr().pem, commonName: 'a=#b' }), 400, 'x509/invalid-spec');
    await expectProblem(ask({ csr: makeCsr().pem, commonName: '' }), 422, 'http/invalid-body');
  });

  it('for any request that is not one, with a 4xx and a code', async () => {
    const { pem } = makeCsr();
    const der = [...parsePem('CERTIFICATE REQUEST', pem)[0]!];
    const asPem = (bytes: number[]) =>
      `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(bytes).toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
    const flips = Array.from({ length: 40 }, (_, i) => {
      const flipped = [...der];
      const at = Math.floor((i * der.length) / 40);
      flipped[at] = flipped[at]! ^ (1 << (i % 8));
      return asPem(flipped);
    });
    const hostile = [
      ...flips,
      asPem(der.slice(0, -1)),
      asPem([...der, 0]),
      asPem([]),
      asPem([0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
      asPem(Array.from({ length: 6000 }, (_, i) => (i % 2 === 0 ? 0x30 : 0x80))),
      new X509Certificate(await fetchRoot()).toString(),
    ];
    for (const csr of hostile) {
      const { status, body, text } = await ask({ csr });
      expect(status, text).toBeGreaterThanOrEqual(400);
      expect(status, text).toBeLessThan(500);
      expect(body.code, csr).toMatch(/^(x509|crypto|certificate|http)\//);
    }
    for (const body of [
      {},
      { csr: 1 },
      { csr: null },
      { csr: ['x'] },
      { csr: 'x', more: 1 },
      { csr: 'x'.repeat(30_000) },
    ]) {
      await expectProblem(ask(body), 422, 'http/invalid-body');
    }
    await expectProblem(call(registry, 'get', `/api/v1/certificates/${'4'.repeat(32)}`), 404, 'certificate/not-found');
    await expectProblem(call(registry, 'get', '/api/v1/certificates/%00'), 404, 'certificate/not-found');
    await expectProblem(
      call(registry, 'get', `/api/v1/vendors/${vendor}/certificates?before=x`),
      400,
      'http/invalid-query',
    );
  });

  it('and a refused request leaves no trace', async () => {
    const count = async () => {
      const [row] = await registry.source.query<{ n: string }[]>(
        'SELECT (SELECT size FROM log_head) || $1 || (SELECT count(*) FROM certificate) AS n',
        ['/'],
      );
      return row!.n;
    };
    const before = await count();
    await ask({ csr: makeCsr().pem, commonName: 'www.example.com' });
    await ask({ csr: makeCsr().pem }, 'vera');
    expect(await count()).toBe(before);
  });
});

async function fetchRoot(): Promise<Buffer> {
  return Buffer.from(await (await fetch(`${registry.url}/ca/root.crt`)).arrayBuffer());
}
