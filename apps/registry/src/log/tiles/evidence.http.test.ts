import { parseEvidence, parseSeals } from '@margo-trust/auditor';
import { encodeBase64, encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { appendLeaves, emptyRange, hashLeaf, rootOfRange } from '@margo-trust/merkle';
import { CONTENT, parseStatement, readFacts } from '@margo-trust/statement';
import { parsePem } from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signSomeArtifact } from '../../../../../test/artifact.ts';
import { admitVendor, ensurePki, issueTo, makeCsr } from '../../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';
import { Db } from '../../db/db.ts';
import { appendEntries } from '../append-entries.ts';
import { LogIdentity } from '../log-identity.ts';
import { LogStore } from '../log.store.ts';

describe('evidence over HTTP', () => {
  let registry: TestRegistry;
  let vendor: string;
  let chain: Uint8Array[];
  let size: number;

  beforeAll(async () => {
    registry = await startTestRegistry();
    await ensurePki(registry);
    vendor = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const issued = await issueTo(registry, vendor, pem);
    chain = parsePem('CERTIFICATE', issued.chain);
    for (let n = 0; n < 3; n += 1) {
      const body = signSomeArtifact(`https://${vendor}.vendors.registry.localhost/`, key, issued.chain);
      const headers = { 'content-type': 'application/cose' };
      expect((await fetch(`${registry.url}/entries`, { method: 'POST', headers, body })).status).toBe(201);
    }
    size = Number(((await (await fetch(`${registry.url}/api/v1/log`)).json()) as { size: string }).size);
  });
  afterAll(() => registry?.close());

  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${registry.url}${path}`, { headers });
    return { status: response.status, headers: response.headers, bytes: new Uint8Array(await response.arrayBuffer()) };
  };
  const bundle = async () => parseEvidence((await get(`/log/evidence/000.p/${size}`)).bytes);

  it('shows every entry with its statement, and what the log found in it', async () => {
    const { origin, first, rows } = await bundle();
    expect({ origin, first, rows: rows.length }).toEqual({ origin: 'log.registry.localhost', first: 0n, rows: size });
    expect(rows.slice(0, 2).map(({ contentType }) => contentType)).toEqual([CONTENT.policy, CONTENT.anchors]);
    for (const { kind, entry, body, contentType, issuer, subject } of rows) {
      const statement = parseStatement(body!);
      expect(kind).toBe('statement');
      expect(encodeHex(sha256(body!))).toBe(encodeHex(entry));
      expect({ contentType, issuer, subject }).toEqual({
        contentType: statement.contentType,
        issuer: statement.issuer,
        subject: statement.subject,
      });
    }
    const last = rows.at(-1)!;
    expect(last.vendorId).toBe(vendor);
    expect(last.chain.map((der) => encodeHex(der))).toEqual(chain.map((der) => encodeHex(der)));
    expect(last.certificate && encodeHex(last.certificate)).toBe(encodeHex(sha256(chain[0]!)));
    const { digests, references } = readFacts(parseStatement(last.body!));
    expect(last.mentions).toEqual([...digests, ...references].sort());
  });

  it('shows every head, and each is the root of the rows before it', async () => {
    const { rows, seals } = await bundle();
    expect(seals.length).toBeGreaterThan(3);
    for (const { size: at, root } of seals) {
      const leaves = rows.slice(0, Number(at)).map(({ entry }) => hashLeaf(entry));
      expect(encodeHex(root)).toBe(encodeHex(rootOfRange(appendLeaves(emptyRange(), leaves))));
    }
    expect(seals.at(-1)?.size).toBe(BigInt(size));

    const cbor = parseSeals((await get('/log/seals', { accept: 'application/cbor' })).bytes);
    expect(cbor.seals).toEqual(seals);
    const page = await get(`/log/seals?from=${seals[1]!.size}&limit=2`);
    expect(page.headers.get('content-type')).toMatch(/^application\/json/);
    expect(JSON.parse(Buffer.from(page.bytes).toString())).toEqual({
      type: 'margo.log-seals.v1',
      origin: 'log.registry.localhost',
      seals: seals.slice(1, 3).map((seal) => ({
        size: seal.size.toString(),
        root: encodeBase64(seal.root),
        committedAt: seal.committedAt.toISOString(),
      })),
    });
    expect(JSON.parse(Buffer.from((await get(`/log/seals?from=${size + 1}`)).bytes).toString())).toMatchObject({
      seals: [],
    });
  });

  it('cuts a bundle where it is asked to, heads included', async () => {
    const whole = await bundle();
    const part = parseEvidence((await get('/log/evidence/000.p/3')).bytes);
    expect(part.rows).toEqual(whole.rows.slice(0, 3));
    expect(part.seals).toEqual(whole.seals.filter((seal) => seal.size <= 3n));
  });

  it('may change when a statement is erased, and says so by its entity tag', async () => {
    const path = '/log/evidence/000.p/3';
    const { headers } = await get(path);
    const etag = headers.get('etag')!;
    expect(headers.get('cache-control')).toBe('public, max-age=60');
    expect((await get(path, { 'if-none-match': etag })).status).toBe(304);

    const victim = (await bundle()).rows[2]!;
    const body = Buffer.from(victim.body!);
    await registry.source.query('DELETE FROM statement WHERE entry = $1', [Buffer.from(victim.entry)]);
    const after = await get(path, { 'if-none-match': etag });
    expect(after.status).toBe(200);
    const row = parseEvidence(after.bytes).rows[2]!;
    expect(row).toMatchObject({ kind: 'erased', subject: victim.subject, chain: [] });
    expect(row.body).toBeUndefined();
    expect(Buffer.from(after.bytes).includes(body)).toBe(false);
    await registry.source.query('INSERT INTO statement (entry, body) VALUES ($1, $2)', [
      Buffer.from(victim.entry),
      body,
    ]);
  });

  it('shows a leaf of its own bytes as such', async () => {
    const raw = Buffer.from('{"kind":"hashedrekord"}');
    const entry = sha256(raw);
    const append = {
      ...{ entry, raw, chain: [], contentType: 'application/json', issuer: 'https://vendor.example/', subject: 'raw' },
      mentions: ['b', 'a'],
    };
    const { app } = registry;
    await app
      .get(Db)
      .transaction((tx) => appendEntries(tx, app.get(LogStore), app.get(LogIdentity).logId, [append], new Date()));
    const { rows } = parseEvidence((await get(`/log/evidence/000.p/${size + 1}`)).bytes);
    const { kind, body, mentions } = rows.at(-1)!;
    expect({ kind, text: Buffer.from(body!).toString(), mentions }).toEqual({
      kind: 'raw',
      text: raw.toString(),
      mentions: ['a', 'b'],
    });
  });

  it.each(['/log/evidence/000', '/log/evidence/001', '/log/evidence/000.p/0', '/log/evidence/0', '/log/evidence/tile'])(
    'has no %s',
    async (path) => {
      const { status, bytes } = await get(path);
      expect(status).toBe(404);
      expect(JSON.parse(Buffer.from(bytes).toString())).toMatchObject({ code: 'log/no-such-tile' });
    },
  );

  it.each(['from=0', 'from=-1', 'from=x', 'limit=0', 'limit=10001', 'from=1&from=2', 'to=3'])(
    'refuses seals with %s',
    async (query) => {
      const { status, bytes } = await get(`/log/seals?${query}`);
      expect(status).toBe(400);
      expect(JSON.parse(Buffer.from(bytes).toString())).toMatchObject({ code: 'http/invalid-query' });
    },
  );
});
