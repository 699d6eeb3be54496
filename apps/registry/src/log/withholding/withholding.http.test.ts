import { parseEvidence } from '@margo-trust/auditor';
import { encodeHex, parseBase64, parseUtf8 } from '@margo-trust/bytes';
import { decodeCbor, type CborMap } from '@margo-trust/cbor';
import { parseCoseKey } from '@margo-trust/cose';
import { hashLeaf } from '@margo-trust/merkle';
import { verifyReceipt } from '@margo-trust/receipt';
import { parseStatement } from '@margo-trust/statement';
import { parseEntryBundle, parseVerifierKey, verifyTlogProof } from '@margo-trust/tlog';
import type { ErasureDecision, LogEntryDetail, LogEntryPage, LogSummary } from '@margo-trust/wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signSomeArtifact } from '../../../../../test/artifact.ts';
import { admitVendor, call, issueTo, makeCsr } from '../../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';

describe('statements that are withheld', () => {
  let registry: TestRegistry;
  let vendor: string;
  let publish: () => Promise<{ id: string; statement: Uint8Array; receipt: Uint8Array; digest: string }>;

  beforeAll(async () => {
    registry = await startTestRegistry();
    vendor = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const { chain } = await issueTo(registry, vendor, pem);
    publish = async () => {
      const statement = signSomeArtifact(`https://${vendor}.vendors.registry.localhost/`, key, chain);
      const headers = { 'content-type': 'application/cose' };
      const response = await fetch(`${registry.url}/entries`, { method: 'POST', headers, body: statement });
      expect(response.status).toBe(201);
      const { entryId, payload } = parseStatement(statement);
      const { targetArtifact } = JSON.parse(parseUtf8(payload)) as { targetArtifact: { digest: string } };
      const receipt = new Uint8Array(await response.arrayBuffer());
      return { id: entryId, statement, receipt, digest: targetArtifact.digest };
    };
  });
  afterAll(() => registry?.close());

  const get = async (path: string) => {
    const response = await fetch(`${registry.url}${path}`);
    return { status: response.status, bytes: new Uint8Array(await response.arrayBuffer()) };
  };
  const codeAt = async (path: string) => {
    const { status, bytes } = await get(path);
    const problem = (decodeCbor(bytes) as CborMap).get('https://registry.localhost/errors') as CborMap;
    return [status, problem.get('code')];
  };
  const entry = async (id: string, account?: string) =>
    (await call(registry, 'get', `/api/v1/log/entries/${id}`, account)).body as LogEntryDetail;
  const restrict = (id: string, account: string) =>
    call(registry, 'post', `/api/v1/log/entries/${id}/restriction`, account, { reason: 'Not yet announced.' });
  const release = (id: string, account: string) =>
    call(registry, 'delete', `/api/v1/log/entries/${id}/restriction`, account);
  const vote = (id: string, account: string) =>
    call(registry, 'post', `/api/v1/log/entries/${id}/erasure`, account, { reason: 'Court order 17.' });
  const receiptKeys = async () =>
    (decodeCbor((await get('/.well-known/scitt-keys')).bytes) as readonly CborMap[]).map((map) => {
      const { key, kid } = parseCoseKey(map);
      const issuer = 'https://registry.localhost';
      return { key, kid: kid!, issuer, origin: 'log.registry.localhost', leafFormat: 'cose-digest' as const };
    });
  const rowOf = async (index: string) => {
    const { size } = (await call(registry, 'get', '/api/v1/log')).body as LogSummary;
    return parseEvidence((await get(`/log/evidence/000.p/${size}`)).bytes).rows[Number(index)]!;
  };

  /** What must go on working: entry, receipt, proof, tiles and search. */
  async function expectProvable({ id, statement, receipt, digest }: Awaited<ReturnType<typeof publish>>) {
    const { stripped, entry } = parseStatement(statement);
    const keys = await receiptKeys();
    const before = verifyReceipt(receipt, { stripped, entry }, keys);
    expect(verifyReceipt((await get(`/entries/${id}`)).bytes, { stripped, entry }, keys)).toEqual(before);
    const { checkpointKey, size } = (await call(registry, 'get', '/api/v1/log')).body as LogSummary;
    const proof = (await get(`/entries/${id}/proof`)).bytes;
    expect(verifyTlogProof(proof, hashLeaf(entry), parseVerifierKey(checkpointKey)).index).toBe(before.index);
    const bundle = parseEntryBundle((await get(`/log/tile/entries/000.p/${size}`)).bytes);
    expect(encodeHex(bundle[Number(before.index)]!)).toBe(encodeHex(entry));
    const found = (await call(registry, 'get', `/api/v1/log/entries?digest=${digest}`)).body as LogEntryPage;
    expect(found.items.map(({ entryId }) => entryId)).toEqual([id]);
    const headers = { 'content-type': 'application/cose' };
    const again = await fetch(`${registry.url}/entries`, { method: 'POST', headers, body: statement });
    expect(again.status).toBe(201);
    expect(verifyReceipt(new Uint8Array(await again.arrayBuffer()), { stripped, entry }, keys)).toEqual(before);
  }

  it('are for the vendor and governance alone while they are restricted, and provable to everybody', async () => {
    const published = await publish();
    const { id, statement } = published;
    const { index } = await entry(id);
    const restricted = await restrict(id, 'victor');
    expect(restricted.status, restricted.text).toBe(201);
    expect(restricted.body).toMatchObject({ entryId: id, index, withheld: { kind: 'restricted' } });

    for (const path of [`/entries/${id}/statement`, `/entries/${id}/transparent-statement`]) {
      expect(await codeAt(path)).toEqual([403, 'log/statement-restricted']);
    }
    for (const outsider of [undefined, 'vera']) {
      const shown = await entry(id, outsider);
      expect(shown.statement).toBeUndefined();
      expect(shown.withheld).toMatchObject({ kind: 'restricted', reason: 'Not yet announced.' });
    }
    for (const insider of ['victor', 'alice']) {
      const shown = parseStatement(parseBase64((await entry(id, insider)).statement!));
      expect(encodeHex(shown.stripped)).toBe(encodeHex(parseStatement(statement).stripped));
      expect(shown.receipts).toHaveLength(1);
    }
    expect(await rowOf(index)).toMatchObject({ kind: 'erased' });
    await expectProvable(published);
    const record = await entry((await entry(id)).withheld!.recordEntryId);
    const { payload } = parseStatement(parseBase64(record.statement!));
    expect(JSON.parse(parseUtf8(payload))).toMatchObject({ record: 'statement-restricted', entry: id, index });

    expect((await restrict(id, 'victor')).body).toMatchObject({ code: 'log/already-withheld' });
    expect((await release(id, 'victor')).body).toMatchObject({ code: 'caller/forbidden' });
    expect((await release(id, 'alice')).body).toEqual({ entryId: id, index });
    expect(encodeHex((await get(`/entries/${id}/statement`)).bytes)).toBe(
      encodeHex(parseStatement(statement).stripped),
    );
    expect((await rowOf(index)).kind).toBe('statement');
    expect((await release(id, 'alice')).body).toMatchObject({ code: 'log/not-restricted' });
  });

  it.each([false, true])(
    'are gone once two members voted to erase them, and provable (restricted before: %s)',
    async (isRestricted) => {
      const published = await publish();
      const { id, digest } = published;
      const { index } = await entry(id);
      if (isRestricted) await restrict(id, 'victor');
      expect(await holdersOf(digest)).toEqual([isRestricted ? 'restricted_statement.body' : 'statement.body']);
      const first = await vote(id, 'alice');
      expect(first.body as ErasureDecision, first.text).toMatchObject({ votes: 1 });
      expect((await vote(id, 'alice')).body).toMatchObject({ status: 409, code: 'log/already-voted' });
      expect((await entry(id, 'alice')).statement).toBeDefined();
      const second = await vote(id, 'bob');
      expect(second.body).toMatchObject({ votes: 2, withheld: { kind: 'erased', reason: 'Court order 17.' } });

      for (const path of [`/entries/${id}/statement`, `/entries/${id}/transparent-statement`]) {
        expect(await codeAt(path)).toEqual([410, 'log/statement-erased']);
      }
      for (const account of [undefined, 'victor', 'alice']) {
        const shown = await entry(id, account);
        expect(shown.statement).toBeUndefined();
        expect(shown.withheld).toMatchObject({ kind: 'erased' });
      }
      const row = await rowOf(index);
      expect([row.kind, row.body, row.chain]).toEqual(['erased', undefined, []]);
      await expectProvable(published); // registers it once more
      expect((await entry(id)).statement, 'registering it again brings nothing back').toBeUndefined();
      expect((await vote(id, 'carol')).body).toMatchObject({ status: 410, code: 'log/statement-erased' });
      expect((await restrict(id, 'victor')).body).toMatchObject({ code: 'log/already-withheld' });

      const record = await entry((await entry(id)).withheld!.recordEntryId);
      const { payload } = parseStatement(parseBase64(record.statement!));
      expect(JSON.parse(parseUtf8(payload))).toMatchObject({
        record: 'statement-erased',
        entry: id,
        index,
        approvals: 2,
      });
      expect(await holdersOf(digest)).toEqual([]);
    },
  );

  /** Columns of bytes that hold the digest in the form that the payload has it in. */
  async function holdersOf(digest: string): Promise<string[]> {
    const columns = await registry.source.query<{ table_name: string; column_name: string }[]>(
      `SELECT table_name, column_name FROM information_schema.columns
       WHERE table_schema = 'public' AND data_type = 'bytea'`,
    );
    const payload = Buffer.from(`"digest":"${digest}"`);
    const found: string[] = [];
    for (const { table_name: table, column_name: column } of columns) {
      const [row] = await registry.source.query<{ n: number }[]>(
        `SELECT count(*)::int AS n FROM "${table}" WHERE position($1::bytea IN "${column}") > 0`,
        [payload],
      );
      if (row!.n > 0) found.push(`${table}.${column}`);
    }
    return found;
  }

  it('are never the registry’s own', async () => {
    for (const id of ['0', '1', '2']) {
      for (const answer of [await vote(id, 'alice'), await restrict(id, 'alice'), await release(id, 'alice')]) {
        expect(answer.body).toMatchObject({ status: 409, code: 'log/not-erasable' });
      }
    }
  });

  it('are chosen by those who may: others are refused', async () => {
    const { id } = await publish();
    expect((await restrict(id, 'vera')).body).toMatchObject({ status: 403, code: 'caller/forbidden' });
    for (const account of ['vera', 'victor']) {
      expect((await vote(id, account)).body).toMatchObject({ status: 403, code: 'caller/forbidden' });
    }
    expect((await restrict('A'.repeat(43), 'alice')).body).toMatchObject({ status: 404, code: 'log/no-such-entry' });
  });

  it('were admitted by what the entry names', async () => {
    const { id } = await publish();
    const { admission, index } = await entry(id);
    expect(admission).toMatchObject({ policyIndex: '0', anchorsIndex: '1' });
    const granted = await entry(admission!.vendorRecordEntryId!);
    expect(granted.subject).toBe(`vendor:${vendor}`);
    const issued = await entry(admission!.certificateRecordEntryId!);
    expect(issued.subject).toMatch(/^certificate:/);
    for (const record of [granted, issued]) expect(Number(record.index)).toBeLessThan(Number(index));
    expect((await entry('2')).admission).toBeUndefined();
  });
});
