import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { encodeBase64Url } from '@margo-trust/bytes';
import { decodeCbor, type CborMap, type CborValue } from '@margo-trust/cbor';
import { coseKeyThumbprint, encodeCoseSign1, parseCoseKey, parseCoseSign1 } from '@margo-trust/cose';
import { verifyReceipt } from '@margo-trust/receipt';
import { attachToStatement, CONTENT, draftStatement, finishStatement, parseStatement } from '@margo-trust/statement';
import type { PolicyProposal, PolicyState } from '@margo-trust/wire';
import { parsePem } from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signSomeArtifact } from '../../../../test/artifact.ts';
import { admitVendor, call, issueTo, makeCsr } from '../../../../test/pki.ts';
import { codeOf, send, type Answer } from '../../../../test/probe.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';

const MEBIBYTE = 1_048_576;
const PROBLEM = 'application/concise-problem-details+cbor';

/** What draft-ietf-scitt-scrapi-11 asks of a Transparency Service, endpoint by endpoint. */
describe('SCRAPI', () => {
  let registry: TestRegistry;
  let uri: string;
  let key: KeyObject;
  let chain: string;

  beforeAll(async () => {
    registry = await startTestRegistry();
    const id = await admitVendor(registry);
    const csr = makeCsr();
    key = csr.key;
    uri = `https://${id}.vendors.registry.localhost/`;
    chain = (await issueTo(registry, id, csr.pem)).chain;
  });
  afterAll(() => registry?.close());

  const get = (path: string, headers: Record<string, string> = {}) =>
    send(registry, { method: 'GET', path, headers: { accept: 'application/cbor', ...headers } });
  const post = (body: Uint8Array | string, path = '/entries', type = 'application/cose') =>
    send(registry, { method: 'POST', path, headers: { 'content-type': type }, body });
  const artifact = () => signSomeArtifact(uri, key, chain);
  const bytesOf = ({ bytes }: Answer) => Uint8Array.from(bytes);
  const problemOf = (answer: Answer) => {
    expect(answer.headers['content-type']).toBe(PROBLEM);
    const problem = decodeCbor(bytesOf(answer)) as CborMap;
    return { status: answer.status, title: problem.get(-1), detail: problem.get(-2) };
  };
  const keys = async () =>
    (decodeCbor(bytesOf(await get('/.well-known/scitt-keys'))) as readonly CborMap[]).map((map) => {
      const issuer = 'https://registry.localhost';
      const { key: publicKey, kid } = parseCoseKey(map);
      return {
        key: publicKey,
        kid: kid!,
        issuer,
        origin: 'log.registry.localhost',
        leafFormat: 'cose-digest' as const,
      };
    });
  /** With the same header and signature, and something else put in. */
  const changed = (change: Partial<Parameters<typeof encodeCoseSign1>[0]>) =>
    encodeCoseSign1({ ...parseCoseSign1(artifact()), ...change });
  const spoken = (payload: Uint8Array, contentType: string, signer = key) => {
    const certificates = parsePem('CERTIFICATE', chain);
    const draft = draftStatement({
      algorithm: 'ES256',
      issuer: uri,
      subject: 'x',
      contentType,
      payload,
      issuedAt: new Date(),
      signer: { leafDer: certificates[0]! },
    });
    const signature = sign('sha256', draft.toBeSigned, { key: signer, dsaEncoding: 'ieee-p1363' });
    return finishStatement(draft, Uint8Array.from(signature), { chain: certificates });
  };

  describe('GET /.well-known/scitt-keys', () => {
    it('is a COSE_KeySet whose kids are thumbprints, and each key is there by itself', async () => {
      const answer = await get('/.well-known/scitt-keys');
      expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/cbor']);
      const set = decodeCbor(bytesOf(answer)) as readonly CborMap[];
      expect(set.length).toBeGreaterThan(0);
      for (const map of set) {
        const { key: publicKey, kid } = parseCoseKey(map);
        expect(encodeBase64Url(kid!)).toBe(encodeBase64Url(coseKeyThumbprint(publicKey)));
        const single = await get(`/.well-known/scitt-keys/${encodeBase64Url(kid!)}`);
        expect([single.status, single.headers['content-type']]).toEqual([200, 'application/cbor']);
        expect(decodeCbor(bytesOf(single))).toEqual(map);
      }
    });

    it.each(['A'.repeat(43), 'x', 'a%2Fb', `${'A'.repeat(43)}=`])('knows no key %s', async (kid) => {
      expect(problemOf(await get(`/.well-known/scitt-keys/${kid}`))).toMatchObject({
        status: 404,
        title: 'No such key',
      });
    });
  });

  describe('POST /entries', () => {
    it('answers 201 with a receipt and the Location, the same for every repetition', async () => {
      const body = artifact();
      const { entryId, ...statement } = parseStatement(body);
      const first = await post(body);
      expect([first.status, first.headers['content-type'], first.headers['location']]).toEqual([
        ...[201, 'application/cose', `/entries/${entryId}`],
      ]);
      const held = verifyReceipt(bytesOf(first), statement, await keys());
      for (const again of [body, attachToStatement(body, { receipts: [bytesOf(first)] })]) {
        const answer = await post(again);
        expect([answer.status, answer.headers['location']]).toEqual([201, `/entries/${entryId}`]);
        expect(verifyReceipt(bytesOf(answer), statement, await keys())).toEqual(held);
      }
    });

    it.each(['/entries?waitForCommit=true&api-version=2026-03-26', '/entries?'])(
      'takes the query of %s',
      async (path) => {
        expect((await post(artifact(), path)).status).toBe(201);
      },
    );

    it.each<[string, () => Uint8Array | string, string, string]>([
      ['nothing', () => '', 'Malformed request', 'cose/malformed'],
      ['no CBOR', () => 'hello', 'Malformed request', 'cose/malformed'],
      ['a COSE_Sign1 without its tag', () => artifact().subarray(1), 'Malformed request', 'cose/malformed'],
      ['a statement and a byte more', () => Uint8Array.from([...artifact(), 0]), 'Malformed request', 'cose/malformed'],
      ['a detached payload', () => changed({ payload: undefined }), 'Payload Missing', 'statement/payload-missing'],
      [
        'a signature of nobody',
        () => changed({ signature: new Uint8Array(64).fill(7) }),
        'Rejected',
        'crypto/bad-signature',
      ],
      [
        'no certificate chain',
        () => changed({ unprotectedHeader: new Map<CborValue, CborValue>() }),
        'Rejected',
        'registration/no-chain',
      ],
      [
        'a content type that is not admitted',
        () => spoken(new Uint8Array(9), 'a/b'),
        'Rejected',
        'registration/content-type-refused',
      ],
      [
        'the registry’s own content type',
        () => spoken(new Uint8Array(9), CONTENT.record),
        'Rejected',
        'registration/content-type-refused',
      ],
      ['an empty payload', () => spoken(new Uint8Array(), CONTENT.release), 'Malformed request', 'bytes/bad-json'],
      ['another key', () => changedKey(), 'Rejected', 'crypto/bad-signature'],
    ])('answers %s with 400', async (_what, make, title, code) => {
      const answer = await post(make());
      expect(problemOf(answer)).toMatchObject({ status: 400, title });
      expect(codeOf('/entries', answer)).toBe(code);
    });

    const changedKey = () => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const { cose } = parseStatement(artifact());
      const other = parseCoseSign1(spoken(new Uint8Array(9), CONTENT.artifact, privateKey));
      return encodeCoseSign1({ ...cose, signature: other.signature });
    };

    it('answers an algorithm it does not admit with its own title', async () => {
      await adopt({ algorithms: ['PS256'] });
      expect(problemOf(await post(artifact()))).toMatchObject({ status: 400, title: 'Bad Signature Algorithm' });
      await adopt({ algorithms: ['ES256'] });
    });

    it.each(['', 'application/json', 'application/cbor', 'text/plain'])('refuses the media type "%s"', async (type) => {
      expect(problemOf(await post(artifact(), '/entries', type)).status).toBe(415);
    });

    it('takes a mebibyte, and not one byte more', async () => {
      const { policy } = ((await call(registry, 'get', '/api/v1/log/policy')).body as PolicyState).current;
      await adopt({ statements: [...policy.statements, { contentType: 'a/b', payload: 'opaque' }] });
      const overhead = spoken(new Uint8Array(100_000), 'a/b').length - 100_000;
      const whole = spoken(new Uint8Array(MEBIBYTE - overhead), 'a/b');
      expect(whole.length).toBe(MEBIBYTE);
      const { entryId, ...statement } = parseStatement(whole);
      const answer = await post(whole);
      expect(answer.status).toBe(201);
      verifyReceipt(bytesOf(answer), statement, await keys());
      expect((await get(`/entries/${entryId}/statement`)).bytes.equals(Buffer.from(statement.stripped))).toBe(true);
      expect(problemOf(await post(spoken(new Uint8Array(MEBIBYTE - overhead + 1), 'a/b'))).status).toBe(413);
    });
  });

  describe('GET /entries/{EntryID}', () => {
    it.each(['application/cose', 'application/cbor', '*/*'])(
      'answers 200 with the receipt and Location to %s',
      async (accept) => {
        const body = artifact();
        const { entryId, ...statement } = parseStatement(body);
        const registered = verifyReceipt(bytesOf(await post(body)), statement, await keys());
        const answer = await get(`/entries/${entryId}`, { accept });
        expect([answer.status, answer.headers['content-type'], answer.headers['location']]).toEqual([
          ...[200, 'application/cose', `/entries/${entryId}`],
        ]);
        expect(verifyReceipt(bytesOf(answer), statement, await keys())).toEqual(registered);
      },
    );

    it.each(['A'.repeat(43), '0', 'x', '%00', 'A'.repeat(44), '..%2f..'])('knows no entry %s', async (id) => {
      expect(problemOf(await get(`/entries/${id}`))).toMatchObject({ status: 404, title: 'Not Found' });
    });
  });

  it.each([
    ['GET', '/entries'],
    ['PUT', '/entries'],
    ['DELETE', `/entries/${'A'.repeat(43)}`],
    ['POST', '/.well-known/scitt-keys'],
    ['PATCH', `/.well-known/scitt-keys/${'A'.repeat(43)}`],
  ])('answers %s %s with 405 in CBOR, and says what is allowed', async (method, path) => {
    const answer = await send(registry, { method, path });
    expect(problemOf(answer).status).toBe(405);
    expect(answer.headers['allow']).toMatch(/GET|POST/);
  });

  it.each([`/entries/${'A'.repeat(43)}/x`, '/entries/a/b/c', '/.well-known/scitt-keys/a/b'])(
    'answers the unrouted path %s in CBOR',
    async (path) => {
      expect(problemOf(await get(path))).toMatchObject({ status: 404, title: 'Not Found' });
    },
  );

  async function adopt(change: object): Promise<void> {
    const { policy } = ((await call(registry, 'get', '/api/v1/log/policy')).body as PolicyState).current;
    const next = { ...policy, version: policy.version + 1, ...change };
    const proposed = await call(registry, 'post', '/api/v1/log/policy', 'alice', { policy: next, reason: 'Test.' });
    const { id } = proposed.body as PolicyProposal;
    const approved = await call(registry, 'post', `/api/v1/log/policy/proposals/${id}/approvals`, 'bob', {
      note: 'Yes.',
    });
    expect(approved.status, approved.text).toBe(201);
  }
});
