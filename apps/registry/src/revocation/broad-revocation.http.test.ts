import { createPublicKey, randomBytes } from 'node:crypto';
import { encodeHex, parseBase64 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { parseStatement } from '@margo-trust/statement';
import type { RevocationDecision, RevocationPage, RevocationPreview } from '@margo-trust/wire';
import { parseCertificate, parseCrl, parsePem } from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signSomeArtifact } from '../../../../test/artifact.ts';
import { admitVendor, call, ensurePki, issueTo, makeCsr } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { wireTime } from '../wire-time.ts';
import { IssueCrl } from './issue-crl.ts';
import { RevocationReader } from './revocation.reader.ts';

let registry: TestRegistry;

beforeAll(async () => {
  registry = await startTestRegistry();
  await ensurePki(registry);
});
afterAll(() => registry?.close());

type Key = ReturnType<typeof makeCsr>['key'];
interface Signer {
  vendor: string;
  serial: string;
  fingerprint: string;
  chain: string;
  key: Key;
  spki: string;
}

async function certify(vendor: string): Promise<Signer> {
  const { pem, key } = makeCsr();
  const { serial, fingerprint, chain } = await issueTo(registry, vendor, pem);
  const [leaf] = parsePem('CERTIFICATE', chain);
  return { vendor, serial, fingerprint, chain, key, spki: encodeHex(sha256(parseCertificate(leaf!).spki)) };
}

const statementOf = ({ vendor, key, chain }: Signer, digest?: string) =>
  signSomeArtifact(`https://${vendor}.vendors.registry.localhost/`, key, chain, digest);

async function register(statement: Uint8Array): Promise<number> {
  const headers = { 'content-type': 'application/cose' };
  return (await fetch(`${registry.url}/entries`, { method: 'POST', headers, body: statement })).status;
}

const order = (body: object, account = 'alice') => call(registry, 'post', '/api/v1/revocations', account, body);
async function preview(body: object, query = '', account = 'alice'): Promise<RevocationPreview> {
  const {
    status,
    body: seen,
    text,
  } = await call(registry, 'post', `/api/v1/revocations/preview${query}`, account, body);
  expect(status, text).toBe(200);
  return seen as RevocationPreview;
}
const codeOf = async (asked: Promise<{ status: number; body: { code?: string } }>) => {
  const { status, body } = await asked;
  return [status, body.code];
};
async function recordOf(entryId: string): Promise<object> {
  const { body } = await call(registry, 'get', `/api/v1/log/entries/${entryId}`);
  const { payload } = parseStatement(parseBase64((body as { statement: string }).statement));
  return JSON.parse(Buffer.from(payload).toString()) as object;
}
const onCrls = async () => {
  await registry.app.get(IssueCrl).run();
  const crls = await registry.app.get(RevocationReader).crls();
  const found = new Set<string>();
  for (const { ca, shard } of crls) {
    const response = await fetch(`${registry.url}/crl/${ca}/${shard}.crl`);
    for (const serial of parseCrl(new Uint8Array(await response.arrayBuffer())).entries.keys()) found.add(serial);
  }
  return found;
};
const digest = () => `sha256:${randomBytes(32).toString('hex')}`;

describe('an order', () => {
  it('previews what stops and what keeps verifying, page by page, and changes nothing', async () => {
    const signer = await certify(await admitVendor(registry));
    for (let n = 0; n < 3; n += 1) expect(await register(statementOf(signer))).toBe(201);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const date = wireTime(new Date());
    for (let n = 0; n < 2; n += 1) expect(await register(statementOf(signer))).toBe(201);

    const target = { serials: [signer.serial] };
    const dated = { target, reason: 'keyCompromise', invalidityDate: date };
    expect(await preview(dated)).toMatchObject({
      certificateCount: 1,
      certificates: [{ serial: signer.serial, fingerprint: signer.fingerprint, vendorId: signer.vendor }],
      crlBytes: 75,
      counts: { stops: 2, keeps: 3, refused: 0 },
    });
    expect((await preview({ target, reason: 'keyCompromise' })).counts).toEqual({ stops: 5, keeps: 0, refused: 0 });
    await new Promise((resolve) => setTimeout(resolve, 1_100)); // decisions count in whole seconds
    expect((await preview({ target, reason: 'superseded' })).counts).toEqual({ stops: 0, keeps: 5, refused: 0 });

    const first = await preview(dated, '?limit=3');
    expect(first.items.map(({ outcome }) => outcome)).toEqual(['stops', 'stops', 'keeps']);
    const rest = await preview(dated, `?limit=3&before=${first.next}`);
    expect(rest.items.map(({ outcome }) => outcome)).toEqual(['keeps', 'keeps']);
    expect(rest.next).toBeUndefined();
    expect((await call(registry, 'get', `/api/v1/certificates/${signer.serial}`)).body).toMatchObject({
      status: 'valid',
    });

    expect((await order(dated)).status).toBe(201);
    expect((await preview({ target, reason: 'keyCompromise' })).counts).toEqual({ stops: 3, keeps: 0, refused: 2 });
    expect((await preview({ target: { vendor: signer.vendor }, reason: 'unspecified' })).counts).toEqual({
      stops: 3,
      keeps: 0,
      refused: 2,
    });
  });

  it('by key refuses its signatures, lists its certificate, and the key is never certified again', async () => {
    const vendor = await admitVendor(registry);
    const signer = await certify(vendor);
    const done = await order({ target: { key: signer.spki }, reason: 'keyCompromise' }, 'victor');
    expect(done.status, done.text).toBe(201);
    const { items } = done.body as RevocationDecision;
    expect(items).toMatchObject([{ kind: 'key', target: signer.spki, reason: 'keyCompromise' }]);
    expect(await recordOf(items[0]!.entryId)).toMatchObject({ record: 'key-revoked', key: signer.spki, vendor });
    expect(await register(statementOf(signer))).toBe(400);
    expect(await onCrls()).toContain(signer.serial);

    const { pem, key } = makeCsr();
    const spki = encodeHex(sha256(Uint8Array.from(createPublicKey(key).export({ type: 'spki', format: 'der' }))));
    expect((await order({ target: { key: spki }, reason: 'keyCompromise' })).status).toBe(201);
    const refused = call(registry, 'post', `/api/v1/vendors/${vendor}/certificates`, 'victor', { csr: pem });
    expect(await codeOf(refused)).toEqual([409, 'certificate/key-blocked']);
  });

  it('by vendor refuses all of it, and nothing is issued to it any more', async () => {
    const vendor = await admitVendor(registry);
    const [one, two] = [await certify(vendor), await certify(vendor)];
    const asked = { target: { vendor }, reason: 'privilegeWithdrawn' };
    expect(await codeOf(order(asked, 'victor'))).toEqual([403, 'caller/forbidden']);
    expect((await order(asked)).status).toBe(201);
    expect((await order(asked)).status).toBe(200);
    for (const signer of [one, two]) expect(await register(statementOf(signer))).toBe(400);
    const listed = await onCrls();
    expect([listed.has(one.serial), listed.has(two.serial)]).toEqual([true, true]);
    const { pem } = makeCsr();
    const refused = call(registry, 'post', `/api/v1/vendors/${vendor}/certificates`, 'victor', { csr: pem });
    expect(await codeOf(refused)).toEqual([409, 'certificate/vendor-not-active']);
  });

  it('by digest refuses one artifact, of one vendor or of all', async () => {
    const [one, two] = [await certify(await admitVendor(registry)), await certify(await admitVendor(registry))];
    const [shared, banned] = [digest(), digest()];
    expect(await codeOf(order({ target: { digest: shared }, reason: 'unspecified' }, 'victor'))).toEqual([
      403,
      'caller/forbidden',
    ]);
    const own = { target: { digest: shared, vendor: one.vendor }, reason: 'unspecified' };
    const done = await order(own, 'victor');
    expect(done.status, done.text).toBe(201);
    const { items } = done.body as RevocationDecision;
    expect(items).toMatchObject([{ kind: 'digest', target: shared, vendorId: one.vendor }]);
    expect(await recordOf(items[0]!.entryId)).toMatchObject({
      record: 'digest-revoked',
      digest: shared,
      vendor: one.vendor,
    });
    expect([await register(statementOf(one, shared)), await register(statementOf(two, shared))]).toEqual([400, 201]);

    expect(await register(statementOf(two, banned))).toBe(201);
    const all = { target: { digest: banned }, reason: 'unspecified' };
    expect((await preview(all)).counts).toEqual({ stops: 1, keeps: 0, refused: 0 });
    expect((await order(all)).status).toBe(201);
    expect([await register(statementOf(one, banned)), await register(statementOf(two, digest()))]).toEqual([400, 201]);
  });

  it('by a span of time revokes what was issued then, with one record', async () => {
    const vendor = await admitVendor(registry);
    const before = await certify(vendor);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const issuedFrom = wireTime(new Date());
    const [one, two] = [await certify(vendor), await certify(vendor)];
    const target = { issuedFrom, vendor };
    expect((await preview({ target, reason: 'keyCompromise' })).certificateCount).toBe(2);
    const done = await order({ target, reason: 'keyCompromise' }, 'victor');
    expect(done.body, done.text).toMatchObject({ decided: 2 });
    const { items } = done.body as RevocationDecision;
    expect(items.map(({ target: serial }) => serial).sort()).toEqual([one.serial, two.serial].sort());
    const record = await recordOf(items[0]!.entryId);
    expect(record).toMatchObject({ record: 'certificates-revoked', vendor, reason: 'keyCompromise' });
    expect(items[1]!.entryId).toBe(items[0]!.entryId);
    expect([await register(statementOf(before)), await register(statementOf(one))]).toEqual([201, 400]);
    expect((await order({ target, reason: 'keyCompromise' }, 'victor')).status).toBe(200);
    const empty = order({ target: { issuedUntil: '2020-01-01T00:00:00Z' }, reason: 'keyCompromise' });
    expect(await codeOf(empty)).toEqual([404, 'revocation/nothing-found']);
  });

  it('that is ambiguous, unknown or somebody else’s is refused', async () => {
    const { serial, spki } = await certify(await admitVendor(registry));
    for (const target of [
      {},
      { serials: [serial], key: spki },
      { serials: [serial], issuer: 'issuing-1' },
      { issuer: 'issuing-1', vendor: '01jd0000000000000000000000' },
      { issuer: 'no-such' },
      { issuedFrom: '2026-13-01T00:00:00Z' },
      { issuedFrom: '2026-02-01T00:00:00Z', issuedUntil: '2026-01-01T00:00:00Z' },
    ]) {
      expect(await codeOf(order({ target, reason: 'unspecified' })), JSON.stringify(target)).toEqual([
        422,
        'revocation/bad-target',
      ]);
    }
    const ask = (target: object, account = 'alice') => codeOf(order({ target, reason: 'unspecified' }, account));
    expect(await ask({ serials: [serial, '4000'] })).toEqual([404, 'certificate/not-found']);
    expect(await ask({ vendor: '01jd0000000000000000000000' })).toEqual([404, 'vendor/not-found']);
    for (const target of [{ serials: [serial] }, { key: spki }, { issuer: 'issuing-1' }]) {
      expect(await ask(target, 'vera')).toEqual([403, 'caller/forbidden']);
    }
  });
});

describe('trusting signatures again', () => {
  it('takes two members of governance who ask for exactly the same', async () => {
    const { serial, vendor } = await certify(await admitVendor(registry));
    const later = wireTime(new Date());
    const target = { serials: [serial] };
    expect((await order({ target, reason: 'keyCompromise' })).status).toBe(201);
    const narrower = { target, reason: 'keyCompromise', invalidityDate: later };
    expect(await codeOf(order(narrower))).toEqual([409, 'revocation/narrower']);
    expect(await codeOf(order({ ...narrower, narrow: true }, 'victor'))).toEqual([403, 'caller/forbidden']);

    const first = await order({ ...narrower, narrow: true });
    expect([first.status, first.body]).toMatchObject([202, { decided: 0, votes: 1 }]);
    expect(await codeOf(order({ ...narrower, narrow: true }))).toEqual([409, 'revocation/already-voted']);
    // Another date is another wish.
    const other = await order(
      { ...narrower, invalidityDate: wireTime(new Date(Date.parse(later) - 1_000)), narrow: true },
      'bob',
    );
    expect(other.body).toMatchObject({ decided: 0, votes: 1 });
    const second = await order({ ...narrower, narrow: true }, 'bob');
    expect([second.status, second.body]).toMatchObject([
      201,
      { decided: 1, votes: 2, items: [{ invalidityDate: later }] },
    ]);
    const { items } = second.body as RevocationDecision;
    expect(await recordOf(items[0]!.entryId)).toMatchObject({ record: 'certificate-revoked', approvals: 2, vendor });
    // Votes are spent: going further needs two again.
    expect((await order({ target, reason: 'superseded', narrow: true }, 'bob')).body).toMatchObject({ votes: 1 });
    // Once on the CRL, always.
    expect(await onCrls()).toContain(serial);
  });
});

describe('the list of what is revoked', () => {
  it('shows the latest decision first, page by page', async () => {
    const { body } = await call(registry, 'get', '/api/v1/revocations?limit=2');
    const { items, next } = body as RevocationPage;
    expect(items).toHaveLength(2);
    const { body: older } = await call(registry, 'get', `/api/v1/revocations?limit=100&before=${next}`);
    const kinds = new Set([...items, ...(older as RevocationPage).items].map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual(['certificate', 'digest', 'key', 'vendor']);
  });
});

describe('an issuing CA', () => {
  it('that is revoked issues nothing, and nothing under it is admitted', async () => {
    const vendor = await admitVendor(registry);
    const signer = await certify(vendor);
    expect((await preview({ target: { issuer: 'issuing-1' }, reason: 'keyCompromise' })).counts.stops).toBeGreaterThan(
      0,
    );
    expect((await order({ target: { issuer: 'issuing-1' }, reason: 'keyCompromise' })).status).toBe(201);
    expect(await register(statementOf(signer))).toBe(400);
    const refused = call(registry, 'post', `/api/v1/vendors/${vendor}/certificates`, 'victor', { csr: makeCsr().pem });
    expect(await codeOf(refused)).toEqual([503, 'certificate/issuer-revoked']);
  });
});
