import { randomBytes, sign, type KeyObject } from 'node:crypto';
import { encodeBase64Url, encodeHex, encodeUtf8, parseBase64, parseBase64Url, parseUtf8 } from '@margo-trust/bytes';
import { decodeCbor, type CborMap } from '@margo-trust/cbor';
import { parseCoseKey } from '@margo-trust/cose';
import { hashLeaf, rootFromInclusion, verifyConsistency } from '@margo-trust/merkle';
import { verifyReceipt } from '@margo-trust/receipt';
import {
  attachToStatement,
  CONTENT,
  draftArtifactStatement,
  draftStatement,
  encodeJsonPayload,
  encodeRelease,
  finishStatement,
  parseStatement,
  releaseSubject,
  type Draft,
  type Release,
} from '@margo-trust/statement';
import {
  parseCheckpoint,
  parseEntryBundle,
  parseNote,
  parseVerifierKey,
  verifyNote,
  verifyTlogProof,
} from '@margo-trust/tlog';
import type { LogEntryPage, LogSummary } from '@margo-trust/wire';
import { parseCertificate, parsePem } from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admitVendor, call, ensurePki, issueTo, makeCsr } from '../../../../test/pki.ts';
import { LogReader } from './log.reader.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';

interface Signatory {
  readonly id: string;
  readonly uri: string;
  readonly key: KeyObject;
  readonly chain: readonly Uint8Array[];
  readonly serial: string;
  readonly claims: { readonly applicationIdPrefixes: string[]; readonly ociNamespaces: string[] };
}

describe('the log over HTTP', () => {
  let registry: TestRegistry;
  let vendor: Signatory;

  beforeAll(async () => {
    registry = await startTestRegistry();
    await ensurePki(registry);
    vendor = await enrol();
  });
  afterAll(() => registry?.close());

  async function enrol(): Promise<Signatory> {
    const id = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const { serial, chain } = await issueTo(registry, id, pem);
    const shown = (await call(registry, 'get', `/api/v1/vendors/${id}`)).body as Pick<Signatory, 'uri' | 'claims'>;
    return { id, serial, key, chain: parsePem('CERTIFICATE', chain), uri: shown.uri, claims: shown.claims };
  }

  const signed = (draft: Draft, { key, chain }: Signatory) => {
    const signature = sign('sha256', draft.toBeSigned, { key, dsaEncoding: 'ieee-p1363' });
    return finishStatement(draft, Uint8Array.from(signature), { chain });
  };
  const artifact = (by = vendor, change: { digest?: string; reference?: string; issuer?: string } = {}) => {
    const digest = change.digest ?? `sha256:${randomBytes(32).toString('hex')}`;
    const annotations =
      change.reference === undefined ? {} : { annotations: { 'org.margo.trust.reference': change.reference } };
    const target = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 7, ...annotations };
    const draft = draftArtifactStatement({
      algorithm: 'ES256',
      issuer: change.issuer ?? by.uri,
      subject: `oci:image:${digest}`,
      target,
      signingTime: new Date(),
      leafDer: by.chain[0]!,
    });
    return signed(draft, by);
  };
  const statement = (contentType: string, payload: Uint8Array, subject: string, by = vendor) =>
    signed(
      draftStatement({
        algorithm: 'ES256',
        issuer: by.uri,
        subject,
        contentType,
        payload,
        issuedAt: new Date(),
        signer: { leafDer: by.chain[0]! },
      }),
      by,
    );
  const releaseOf = (change: Partial<Release> = {}): Uint8Array => {
    const item = (reference: string) => ({
      reference,
      mediaType: 'm/t',
      digest: `sha256:${randomBytes(32).toString('hex')}`,
      size: 1,
    });
    const release: Release = {
      applicationId: `${vendor.claims.applicationIdPrefixes[0]}app`,
      version: '1.0.0',
      package: item(`${vendor.claims.ociNamespaces[0]}/app:1.0.0`),
      components: [],
      images: [item('docker.io/library/redis:7')],
      ...change,
    };
    return statement(CONTENT.release, encodeRelease(release), releaseSubject(release.applicationId, release.version));
  };
  const post = async (body: Uint8Array, contentType = 'application/cose') => {
    const response = await fetch(`${registry.url}/entries`, {
      method: 'POST',
      headers: { 'content-type': contentType },
      body,
    });
    return { status: response.status, headers: response.headers, bytes: new Uint8Array(await response.arrayBuffer()) };
  };
  const get = async (path: string) => {
    const response = await fetch(`${registry.url}${path}`);
    return { status: response.status, headers: response.headers, bytes: new Uint8Array(await response.arrayBuffer()) };
  };
  const summary = async () => (await call(registry, 'get', '/api/v1/log')).body as LogSummary;
  const codeOf = (bytes: Uint8Array) => {
    const problem = decodeCbor(bytes) as CborMap;
    return (problem.get('https://registry.localhost/errors') as CborMap).get('code');
  };
  const receiptKeys = async () => {
    const { bytes } = await get('/.well-known/scitt-keys');
    return (decodeCbor(bytes) as readonly CborMap[]).map((map) => {
      const { key, kid } = parseCoseKey(map);
      const { url } = registry;
      expect(url).toBeTruthy();
      return {
        key,
        kid: kid!,
        issuer: 'https://registry.localhost',
        origin: 'log.registry.localhost',
        leafFormat: 'cose-digest' as const,
      };
    });
  };

  it('answers a registration with a receipt that holds, and the same statement with the same index', async () => {
    const bytes = artifact();
    const { stripped, entry, entryId } = parseStatement(bytes);
    const first = await post(bytes);
    expect(first.status).toBe(201);
    expect(first.headers.get('content-type')).toBe('application/cose');
    expect(first.headers.get('location')).toBe(`/entries/${entryId}`);
    const keys = await receiptKeys();
    const held = verifyReceipt(first.bytes, { stripped, entry }, keys);
    expect(held).toMatchObject({ origin: 'log.registry.localhost', issuer: 'https://registry.localhost' });

    await post(artifact());
    const again = await post(attachToStatement(bytes, { receipts: [first.bytes] }));
    expect(again.status).toBe(201);
    expect(verifyReceipt(again.bytes, { stripped, entry }, keys)).toEqual(held);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
  });

  it('resolves an entry: receipt, statement, transparent statement and tlog-proof', async () => {
    const bytes = artifact();
    const { stripped, entry, entryId } = parseStatement(bytes);
    await post(bytes);
    const keys = await receiptKeys();
    const { index } = verifyReceipt((await get(`/entries/${entryId}`)).bytes, { stripped, entry }, keys);
    expect((await get(`/entries/${entryId}/statement`)).bytes).toEqual(stripped);
    const transparent = parseStatement((await get(`/entries/${entryId}/transparent-statement`)).bytes);
    expect(transparent.chain).toEqual(vendor.chain);
    expect(verifyReceipt(transparent.receipts[0]!, transparent, keys).index).toBe(index);
    const { checkpointKey } = await summary();
    const proof = await get(`/entries/${entryId}/proof`);
    expect(verifyTlogProof(proof.bytes, hashLeaf(entry), parseVerifierKey(checkpointKey)).index).toBe(index);
  });

  it('publishes a signed checkpoint whose tree anyone recomputes from the tiles', async () => {
    const older = parseCheckpoint(parseNote((await get('/log/checkpoint')).bytes).text);
    await Promise.all(Array.from({ length: 20 }, () => post(artifact())));
    const { checkpointKey } = await summary();
    const note = parseNote((await get('/log/checkpoint')).bytes);
    expect(verifyNote(note, [parseVerifierKey(checkpointKey)])).toHaveLength(1);
    const { origin, size, root } = parseCheckpoint(note.text);
    expect(origin).toBe('log.registry.localhost');
    const bundle = await get(`/log/tile/entries/000.p/${size}`);
    expect(bundle.headers.get('cache-control')).toContain('immutable');
    const leaves = parseEntryBundle(bundle.bytes).map(hashLeaf);
    const tile = await get(`/log/tile/0/000.p/${size}`);
    expect(encodeHex(tile.bytes)).toBe(leaves.map(encodeHex).join(''));
    const path = await registry.app.get(LogReader).consistencyPath(older.size, size);
    verifyConsistency(older.size, older.root, size, root, path);
    expect((await get(`/log/tile/0/000.p/${size + 1n}`)).status).toBe(404);
    expect((await get('/log/tile/0/x')).status).toBe(404);
    const description = JSON.parse(parseUtf8((await get('/log/log.json')).bytes)) as { checkpointKey: string };
    expect(description.checkpointKey).toBe(checkpointKey);
  });

  it('opened with its policy and its anchors', async () => {
    const page = (await call(registry, 'get', '/api/v1/log/entries?q=0')).body as LogEntryPage;
    expect(page.items).toMatchObject([
      { index: '0', contentType: CONTENT.policy, subject: 'policy:log.registry.localhost' },
    ]);
    const anchors = (await call(registry, 'get', '/api/v1/log/entries?type=anchors')).body as LogEntryPage;
    expect(anchors.items.map(({ index }) => index)).toEqual(['1']);
  });

  it('finds an entry by whatever one has in hand', async () => {
    const digest = `sha256:${randomBytes(32).toString('hex')}`;
    const reference = `${vendor.claims.ociNamespaces[0]}/pump:2.0.0`;
    const bytes = artifact(vendor, { digest, reference });
    const release = releaseOf({ version: '7.7.7' });
    await post(bytes);
    await post(release);
    const { entryId } = parseStatement(bytes);
    const find = async (query: string) =>
      ((await call(registry, 'get', `/api/v1/log/entries?${query}`)).body as LogEntryPage).items.map(
        (item) => item.entryId,
      );
    expect(await find(`q=${digest}`)).toEqual([entryId]);
    expect(await find(`q=${encodeURIComponent(`oci://${reference}`)}`)).toEqual([entryId]);
    expect(await find(`q=${entryId}`)).toEqual([entryId]);
    expect(await find(`digest=${digest}&vendor=${vendor.id}`)).toEqual([entryId]);
    expect(await find(`vendor=${vendor.id}&limit=2`)).toEqual([parseStatement(release).entryId, entryId]);
    expect(await find(`applicationId=${vendor.claims.applicationIdPrefixes[0]}app`)).toContain(
      parseStatement(release).entryId,
    );
    expect(await find(`q=${parseCertificate(vendor.chain[0]!).fingerprint}`)).toContain(entryId);
    expect(await find(`q=sha256:${'00'.repeat(32)}`)).toEqual([]);
    expect(await find(`vendor=${vendor.id}&version=7.7.7`)).toEqual([parseStatement(release).entryId]);
    const { registeredAt, index } = (
      (await call(registry, 'get', `/api/v1/log/entries?q=${entryId}`)).body as LogEntryPage
    ).items[0]!;
    expect(await find(`since=${registeredAt}&digest=${digest}`)).toEqual([entryId]);
    expect(await find(`until=${registeredAt}&digest=${digest}`)).toEqual([]);
    expect(await find(`from=${index}&before=${Number(index) + 1}`)).toEqual([entryId]);
  });

  it('proves each hit on demand, all of a page against one checkpoint', async () => {
    const page = (await call(registry, 'get', `/api/v1/log/entries?vendor=${vendor.id}&proof=true`))
      .body as LogEntryPage;
    const note = parseNote(encodeUtf8(page.checkpoint!));
    verifyNote(note, [parseVerifierKey((await summary()).checkpointKey)]);
    const { size, root } = parseCheckpoint(note.text);
    expect(page.items.length).toBeGreaterThan(2);
    for (const { index, entryId, inclusionPath } of page.items) {
      const path = inclusionPath!.map((hash) => parseBase64(hash));
      expect(rootFromInclusion(hashLeaf(parseBase64Url(entryId)), BigInt(index), size, path)).toEqual(root);
    }
    const plain = (await call(registry, 'get', `/api/v1/log/entries?vendor=${vendor.id}`)).body as LogEntryPage;
    expect(plain).not.toHaveProperty('checkpoint');
    expect(plain.items[0]).not.toHaveProperty('inclusionPath');
  });

  it('pages with a cursor until the first entry', async () => {
    const { size } = await summary();
    const seen: string[] = [];
    for (let next: string | undefined = '/api/v1/log/entries?limit=7'; next;) {
      const response = await call(registry, 'get', next);
      seen.push(...(response.body as LogEntryPage).items.map(({ index }) => index));
      next = /<([^>]+)>; rel="next"/.exec((response.headers as Record<string, string>)['link'] ?? '')?.[1];
    }
    expect(seen).toEqual(Array.from({ length: Number(size) }, (_, i) => String(Number(size) - 1 - i)));
  });

  it.each([
    'limit=0',
    'limit=201',
    'limit=x',
    'digest=sha256:zz',
    'before=-1',
    'from=1e3',
    'nonsense=1',
    'type=a&type=b',
    'since=yesterday',
    'until=2026-02-31T00:00:00Z',
    'proof=1',
  ])('refuses the query %s', async (query) => {
    const response = await call(registry, 'get', `/api/v1/log/entries?${query}`);
    expect(response.status).toBe(400);
    expect(response.body).toMatchObject({ code: 'http/invalid-query' });
  });

  it.each<[string, () => Uint8Array | Promise<Uint8Array>, number, string]>([
    [
      'in the name of another vendor',
      async () => artifact({ ...(await enrol()), uri: vendor.uri }),
      400,
      'registration/issuer-mismatch',
    ],
    [
      'outside its namespaces',
      () => artifact(vendor, { reference: 'registry.example/somebody/app:1' }),
      400,
      'registration/namespace-not-claimed',
    ],
    [
      'of an application it was not granted',
      () => releaseOf({ applicationId: 'com-somebody-app' }),
      400,
      'registration/application-not-claimed',
    ],
    [
      'of a type that is the registry’s own',
      () => statement(CONTENT.record, encodeJsonPayload({ record: 'vendor-admitted' }), 'vendor:x'),
      400,
      'registration/content-type-refused',
    ],
    [
      'of a release that is none',
      () => statement(CONTENT.release, encodeJsonPayload({}), 'release:x'),
      400,
      'statement/bad-release',
    ],
    [
      'without its chain',
      () => {
        const { cose } = parseStatement(artifact());
        return attachToStatement(
          parseStatement(
            finishStatement(
              {
                algorithm: 'ES256',
                protectedBytes: cose.protectedBytes,
                payload: cose.payload!,
                toBeSigned: cose.payload!,
              },
              cose.signature,
            ),
          ).bytes,
          {},
        );
      },
      400,
      'registration/no-chain',
    ],
    [
      'with a signature that does not verify',
      () => {
        const bytes = artifact();
        const { cose, chain } = parseStatement(bytes);
        const signature = Uint8Array.from(cose.signature);
        signature[40]! ^= 1;
        return finishStatement(
          {
            algorithm: 'ES256',
            protectedBytes: cose.protectedBytes,
            payload: cose.payload!,
            toBeSigned: cose.payload!,
          },
          signature,
          { chain },
        );
      },
      400,
      'crypto/bad-signature',
    ],
    ['that is no CBOR', () => encodeUtf8('hello'), 400, 'cose/malformed'],
    ['that is empty', () => new Uint8Array(), 400, 'cose/malformed'],
    ['that nests without end', () => new Uint8Array(100_000).fill(0x81), 400, 'cose/malformed'],
    ['of more than a mebibyte', () => new Uint8Array(1_048_577), 413, 'http/body-too-large'],
  ])('refuses a statement %s, and keeps no trace of it', async (_what, make, status, code) => {
    const bytes = await make();
    const before = await summary();
    const response = await post(bytes);
    expect([response.status, codeOf(response.bytes)]).toEqual([status, code]);
    expect(response.headers.get('content-type')).toBe('application/concise-problem-details+cbor');
    expect((await summary()).root).toBe(before.root);
  });

  it('refuses what a suspended vendor or a revoked certificate signs, from the moment on that this is committed', async () => {
    const other = await enrol();
    expect((await post(artifact(other))).status).toBe(201);
    const revoked = await call(registry, 'post', `/api/v1/certificates/${other.serial}/revocation`, 'victor', {
      reason: 'keyCompromise',
    });
    expect(revoked.status, revoked.text).toBeLessThan(300);
    expect(codeOf((await post(artifact(other))).bytes)).toBe('registration/certificate-revoked');

    const third = await enrol();
    expect((await post(artifact(third))).status).toBe(201);
    const suspended = await call(registry, 'post', `/api/v1/vendors/${third.id}/suspension`, 'alice', {
      reason: 'Incident.',
    });
    expect(suspended.status, suspended.text).toBeLessThan(300);
    const mixed = await Promise.all([post(artifact(third)), post(artifact())]);
    expect(mixed.map(({ status }) => status)).toEqual([400, 201]);
    expect(codeOf(mixed[0].bytes)).toBe('registration/vendor-not-active');
  });

  it('answers a damaged statement with a 4xx and a code, and keeps no trace of it', async () => {
    const bytes = artifact();
    const before = await summary();
    const damaged = Array.from({ length: 120 }, (_, i) => {
      const copy = Uint8Array.from(bytes);
      copy[(i * 7919) % copy.length]! ^= 1 << (i & 7);
      return i % 4 === 0 ? bytes.slice(0, (i * 37) % bytes.length) : copy;
    });
    const accepted = [];
    for (const one of damaged) {
      const response = await post(one);
      if (response.status === 201) accepted.push(one);
      else
        expect([response.status, typeof codeOf(response.bytes)]).toEqual([
          expect.toSatisfy((s: number) => s >= 400 && s < 500),
          'string',
        ]);
    }
    // a flip in what travels unprotected may leave the statement itself whole: then it is the same entry, once
    const entries = new Set(accepted.map((one) => parseStatement(one).entryId));
    expect([...entries]).toEqual(entries.size === 0 ? [] : [parseStatement(bytes).entryId]);
    expect(Number((await summary()).size) - Number(before.size)).toBe(entries.size);
    expect(registry.logged.filter(({ level }) => Number(level) >= 50)).toEqual([]);
  });

  it.each([
    ['GET', '/entries', 405],
    ['GET', `/entries/${'A'.repeat(43)}`, 404],
    ['GET', '/entries/x', 404],
    ['GET', '/entries/x/y/z', 404],
    ['DELETE', `/entries/${'A'.repeat(43)}`, 405],
    ['GET', '/.well-known/scitt-keys/x', 404],
  ])('answers %s %s as a CBOR problem', async (method, path, status) => {
    const response = await fetch(`${registry.url}${path}`, { method });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/concise-problem-details+cbor');
    expect((decodeCbor(new Uint8Array(await response.arrayBuffer())) as CborMap).get(-1)).toBeTypeOf('string');
  });

  it('publishes each key under its kid', async () => {
    for (const { kid } of await receiptKeys()) {
      const one = await get(`/.well-known/scitt-keys/${encodeBase64Url(kid)}`);
      expect(parseCoseKey(decodeCbor(one.bytes) as CborMap).kid).toEqual(kid);
    }
  });
});
