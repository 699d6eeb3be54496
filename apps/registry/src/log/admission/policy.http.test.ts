import { sign } from 'node:crypto';
import { encodeBase64Url, parseBase64, parseUtf8 } from '@margo-trust/bytes';
import { decodeCbor, type CborMap } from '@margo-trust/cbor';
import { parseRegistrationPolicy } from '@margo-trust/policy';
import { CONTENT, draftStatement, finishStatement, parseStatement } from '@margo-trust/statement';
import type { LogEntryDetail, PolicyDocument, PolicyProposal, PolicyState } from '@margo-trust/wire';
import { parsePem } from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signSomeArtifact } from '../../../../../test/artifact.ts';
import { admitVendor, call, issueTo, makeCsr } from '../../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';
import { PolicyReader } from './policy.reader.ts';

const SBOM = 'application/spdx+json';

describe('the registration policy', () => {
  let registry: TestRegistry;
  let vendor: { uri: string; chain: string; key: ReturnType<typeof makeCsr>['key'] };

  beforeAll(async () => {
    registry = await startTestRegistry();
    const id = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const { chain } = await issueTo(registry, id, pem);
    vendor = { uri: `https://${id}.vendors.registry.localhost/`, chain, key };
  });
  afterAll(() => registry?.close());

  const state = async () => (await call(registry, 'get', '/api/v1/log/policy')).body as PolicyState;
  const next = async (change: Partial<PolicyDocument> = {}): Promise<PolicyDocument> => {
    const { policy } = (await state()).current;
    return { ...policy, version: policy.version + 1, ...change };
  };
  const propose = async (policy: object, member = 'alice') =>
    call(registry, 'post', '/api/v1/log/policy', member, { policy, reason: 'Test.' });
  const approve = (id: string, member = 'bob') =>
    call(registry, 'post', `/api/v1/log/policy/proposals/${id}/approvals`, member, { note: 'Checked.' });
  const adopt = async (change: Partial<PolicyDocument>) => {
    const proposed = await propose(await next(change));
    expect(proposed.status, proposed.text).toBe(201);
    const adopted = await approve((proposed.body as PolicyProposal).id);
    expect(adopted.status, adopted.text).toBe(201);
    return (adopted.body as PolicyState).current;
  };
  const post = async (body: Uint8Array) => {
    const headers = { 'content-type': 'application/cose' };
    const response = await fetch(`${registry.url}/entries`, { method: 'POST', headers, body });
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (response.status === 201) return 'in';
    const problem = decodeCbor(bytes) as CborMap;
    return (problem.get('https://registry.localhost/errors') as CborMap).get('code');
  };
  const artifact = () => signSomeArtifact(vendor.uri, vendor.key, vendor.chain);
  let serial = 0;
  const sbom = (bytes = 100) => {
    const chain = parsePem('CERTIFICATE', vendor.chain);
    serial += 1;
    const draft = draftStatement({
      algorithm: 'ES256',
      issuer: vendor.uri,
      subject: `sbom:${serial}`,
      contentType: SBOM,
      payload: new Uint8Array(bytes),
      issuedAt: new Date(),
      signer: { leafDer: chain[0]! },
    });
    const signature = sign('sha256', draft.toBeSigned, { key: vendor.key, dsaEncoding: 'ieee-p1363' });
    return finishStatement(draft, Uint8Array.from(signature), { chain });
  };
  const entry = async (id: string) => (await call(registry, 'get', `/api/v1/log/entries/${id}`)).body as LogEntryDetail;
  const indexOf = async (statement: Uint8Array) => BigInt((await entry(parseStatement(statement).entryId)).index);

  it('is logged at index 0, and shown as it stands there', async () => {
    const { current, history } = await state();
    expect(current).toMatchObject({ index: '0', policy: { type: 'margo.registration-policy.v2', version: 1 } });
    expect(history).toEqual([]);
    const { statement, entryId } = await entry('0');
    const { payload } = parseStatement(parseBase64(statement!));
    expect(entryId).toBe(current.entryId);
    expect(JSON.parse(parseUtf8(payload))).toEqual(current.policy);
  });

  it('changes when a second member approves, from its own index on', async () => {
    expect(await post(sbom())).toBe('registration/content-type-refused');
    const before = await state();
    const policy = await next({
      statements: [...before.current.policy.statements, { contentType: SBOM, payload: 'opaque' }],
    });
    const proposed = await propose(policy);
    expect(proposed.status, proposed.text).toBe(201);
    const { id, proposedBy } = proposed.body as PolicyProposal;
    expect(proposedBy).toBe('alice');
    expect(await state()).toEqual(before);
    expect(await post(sbom())).toBe('registration/content-type-refused');
    const open = await call(registry, 'get', '/api/v1/log/policy/proposals', 'bob');
    expect((open.body as { items: PolicyProposal[] }).items).toEqual([proposed.body]);

    expect((await approve(id, 'alice')).body).toMatchObject({ status: 403, code: 'policy/own-proposal' });
    expect((await approve(id, 'victor')).body).toMatchObject({ status: 403, code: 'caller/forbidden' });
    const adopted = (await approve(id)).body as PolicyState;
    expect(adopted.current.policy).toEqual(policy);
    expect(adopted.history).toEqual([before.current]);
    expect(await state()).toEqual(adopted);

    const logged = await entry(adopted.current.index);
    expect(logged).toMatchObject({ contentType: CONTENT.policy, subject: 'policy:log.registry.localhost' });
    const { payload } = parseStatement(parseBase64(logged.statement!));
    expect(parseRegistrationPolicy(payload).version).toBe(2);

    const admitted = sbom();
    expect(await post(admitted)).toBe('in');
    expect(await indexOf(admitted)).toBeGreaterThan(BigInt(adopted.current.index));
    expect((await approve(id)).body).toMatchObject({ status: 409, code: 'policy/passed-over' });
    expect((await call(registry, 'get', '/api/v1/log/policy/proposals', 'bob')).body).toEqual({ items: [] });
  });

  it('admits by the size, the algorithms and the types that it says', async () => {
    const large = sbom(60_000);
    await adopt({ maxStatementBytes: 50_000 });
    expect(await post(large)).toBe('registration/statement-too-large');
    await adopt({ maxStatementBytes: 1_048_576, algorithms: ['PS256'] });
    expect(await post(large)).toBe('registration/algorithm-refused');
    await adopt({ algorithms: ['ES256'] });
    expect(await post(large)).toBe('in');
  });

  it('is never applied after another one was committed, whatever a replica remembers', async () => {
    const reader = registry.app.get(PolicyReader);
    const old = await reader.current();
    const { index } = await adopt({ algorithms: ['PS384'] });
    for (let n = 0; n < 5; n += 1) {
      // What a replica holds that has not heard of the change yet.
      Reflect.set(reader, 'known', { logged: old, at: Date.now() });
      expect(await post(artifact())).toBe('registration/algorithm-refused');
    }
    expect((await reader.current()).index).toBe(BigInt(index));

    Reflect.set(reader, 'known', { logged: await reader.current(), at: Date.now() });
    await adopt({ algorithms: ['ES256', 'ES384', 'PS256', 'PS384'] });
    expect(await post(artifact())).toBe('in');
  });

  it('admits nothing of the old kind above the index of the new one, under load', async () => {
    const statements = Array.from({ length: 120 }, () => artifact());
    const answers: { statement: Uint8Array; answer: unknown }[] = [];
    const change = new Promise<PolicyState['current']>((resolve, reject) => {
      setTimeout(() => adopt({ algorithms: ['PS384'] }).then(resolve, reject), 30);
    });
    const waiting = [...statements];
    const worker = async () => {
      for (let statement = waiting.pop(); statement; statement = waiting.pop()) {
        answers.push({ statement, answer: await post(statement) });
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    await Promise.all([...Array.from({ length: 8 }, worker), change]);
    const index = BigInt((await change).index);
    const admitted = answers.filter(({ answer }) => answer === 'in');
    const refused = answers.filter(({ answer }) => answer === 'registration/algorithm-refused');
    expect(admitted.length).toBeGreaterThan(0);
    expect(refused.length).toBeGreaterThan(0);
    expect(admitted.length + refused.length).toBe(statements.length);
    for (const { statement } of admitted) expect(await indexOf(statement)).toBeLessThan(index);
    await adopt({ algorithms: ['ES256', 'ES384', 'PS256', 'PS384'] });
  });

  it('takes one of two proposals for the same version', async () => {
    const policy = await next();
    const [first, second] = [await propose(policy), await propose(policy, 'bob')];
    const ids = [first, second].map(({ body }) => (body as PolicyProposal).id);
    const answers = await Promise.all([approve(ids[0]!, 'bob'), approve(ids[1]!, 'alice')]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    expect((await state()).current.policy.version).toBe(policy.version);
  });

  it.each<[string, () => Promise<object> | object, number, string]>([
    ['a version that is taken', () => next({ version: 1 }), 409, 'policy/wrong-version'],
    ['a version that is not next', async () => ({ ...(await next()), version: 99 }), 409, 'policy/wrong-version'],
    ['a type of a later day', () => next({ type: 'margo.registration-policy.v9' }), 422, 'policy/unknown-type'],
    ['the type of an earlier day', () => next({ type: 'margo.registration-policy.v1' }), 422, 'policy/malformed'],
    [
      'a type twice',
      () => next({ statements: [1, 2].map(() => ({ contentType: SBOM, payload: 'opaque' })) }),
      422,
      'policy/malformed',
    ],
    [
      'the registry’s records',
      () => next({ statements: [{ contentType: CONTENT.record, payload: 'opaque' }] }),
      422,
      'policy/malformed',
    ],
    [
      'a release unread',
      () => next({ statements: [{ contentType: CONTENT.release, payload: 'opaque' }] }),
      422,
      'policy/malformed',
    ],
    ['no algorithm', () => next({ algorithms: [] }), 422, 'http/invalid-body'],
  ])('refuses a proposal of %s', async (_what, make, status, code) => {
    const answer = await propose(await make());
    expect(answer.body).toMatchObject({ status, code });
  });

  it('knows no proposal that was not made', async () => {
    expect((await approve(encodeBase64Url(new Uint8Array(12)))).body).toMatchObject({
      code: 'policy/no-such-proposal',
    });
  });

  it('can be changed by nobody with a prompt', async () => {
    for (const sql of ['DELETE FROM registration_policy', 'UPDATE policy_proposal SET version = 9']) {
      await expect(registry.source.query(sql)).rejects.toThrow('append-only');
    }
  });
});
