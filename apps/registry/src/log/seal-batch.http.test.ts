import { randomBytes } from 'node:crypto';
import { decodeCbor, type CborMap } from '@margo-trust/cbor';
import { parseStatement } from '@margo-trust/statement';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi, type MockInstance } from 'vitest';
import { signSomeArtifact } from '../../../../test/artifact.ts';
import { checkReceipt, readKeys } from '../../../../test/independent.mjs';
import { admitVendor, call, issueTo, makeCsr } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { Db } from '../db/db.ts';
import { appendEntries } from './append-entries.ts';
import { AppendRecord } from './append-record.ts';
import { LogStore } from './log.store.ts';

interface Signer {
  vendor: string;
  key: ReturnType<typeof makeCsr>['key'];
  chain: string;
}

/**
 * A process that has sealed the last batch writes the next one without asking anything first. Whatever it does not know then has to end in
 * the answer that it would have given had it asked.
 */
describe('a batch that is sealed in one round trip', () => {
  let registry: TestRegistry;
  let one: Signer;
  let other: Signer;
  let keys: ReturnType<typeof readKeys>;
  /** Batches that asked for the head. */
  let asked: MockInstance<LogStore['lockHead']>;
  let ahead: MockInstance<LogStore['lockExpectedHead']>;

  beforeAll(async () => {
    registry = await startTestRegistry();
    [one, other] = [await enrol(), await enrol()];
    keys = readKeys(new Uint8Array(await (await fetch(`${registry.url}/.well-known/scitt-keys`)).arrayBuffer()));
  });
  afterAll(() => registry?.close());

  beforeEach(async () => {
    // The first batch learns what the head is, the second one that nobody else has moved it.
    for (let i = 0; i < 2; i += 1) expect((await register(statementOf(one))).status).toBe(201);
    asked = vi.spyOn(registry.app.get(LogStore), 'lockHead');
    ahead = vi.spyOn(registry.app.get(LogStore), 'lockExpectedHead');
  });
  afterEach(() => vi.restoreAllMocks());

  async function enrol(): Promise<Signer> {
    const vendor = await admitVendor(registry);
    const { pem, key } = makeCsr();
    return { vendor, key, chain: (await issueTo(registry, vendor, pem)).chain };
  }

  const digest = () => `sha256:${randomBytes(32).toString('hex')}`;
  const statementOf = ({ vendor, key, chain }: Signer, of?: string) =>
    signSomeArtifact(`https://${vendor}.vendors.registry.localhost/`, key, chain, of);

  async function register(statement: Uint8Array): Promise<{ status: number; code?: unknown; index?: number }> {
    const headers = { 'content-type': 'application/cose' };
    const response = await fetch(`${registry.url}/entries`, { method: 'POST', headers, body: statement });
    const { status } = response;
    const body = new Uint8Array(await response.arrayBuffer());
    if (status === 201) return { status, index: checkReceipt(body, parseStatement(statement).entry, keys).index };
    const problem = (decodeCbor(body) as CborMap).get('https://registry.localhost/errors') as CborMap;
    return { status, code: problem.get('code') };
  }

  it('asks for nothing, and has a receipt that holds', async () => {
    const first = await register(statementOf(one));
    const next = await register(statementOf(other));
    expect([first.status, next.status, next.index]).toEqual([201, 201, first.index! + 1]);
    expect(asked).not.toHaveBeenCalled();
    expect(ahead).toHaveBeenCalledTimes(2);
  });

  it('gives a statement that the log has the index that it has, and the others of its batch theirs', async () => {
    const known = statementOf(one);
    const { index } = await register(known);
    const answers = await Promise.all([statementOf(one), known, statementOf(other), known].map(register));
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect([answers[1]!.index, answers[3]!.index]).toEqual([index, index]);
    expect(new Set([answers[0]!.index, answers[2]!.index])).toEqual(new Set([index! + 1, index! + 2]));
    expect(asked).toHaveBeenCalled();
  });

  it('takes a statement that is sent twice at once for one', async () => {
    const twice = statementOf(one);
    const answers = await Promise.all([twice, twice].map(register));
    expect(answers[1]).toEqual(answers[0]);
    expect(asked).not.toHaveBeenCalled();
  });

  it('goes on behind a record of the registry’s own, and behind another process', async () => {
    const { app } = registry;
    await app
      .get(Db)
      .transaction((tx) =>
        app.get(AppendRecord).run(tx, { subject: 'test', payload: { record: 'test', at: '2026-11-20T12:00:00Z' } }),
      );
    asked.mockClear();
    expect((await register(statementOf(one))).status).toBe(201);
    expect(asked).toHaveBeenCalledTimes(1);

    expect((await register(statementOf(one))).status).toBe(201);
    expect(asked).toHaveBeenCalledTimes(1);
    const elsewhere = new LogStore({ bytes: randomBytes } as never, app.get(Db));
    const { entry, cose } = parseStatement(statementOf(one));
    const body = cose.payload!;
    await app
      .get(Db)
      .transaction((tx) =>
        appendEntries(
          ...([tx, elsewhere, 1] as const),
          [{ entry, body, chain: [], contentType: 'text/plain', issuer: 'x', subject: 'x', mentions: [] }],
          new Date(),
        ),
      );
    expect((await register(statementOf(one))).status).toBe(201);
    expect(asked).toHaveBeenCalledTimes(2);
  });

  it('refuses what is revoked for its own reason, and seals the others of its batch', async () => {
    const [revoked, elsewhere] = [digest(), digest()];
    for (const [target, by] of [
      [revoked, one],
      [elsewhere, other],
    ] as const) {
      const order = { target: { digest: target, vendor: by.vendor }, reason: 'unspecified' };
      expect((await call(registry, 'post', '/api/v1/revocations', 'victor', order)).status).toBe(201);
    }
    for (let i = 0; i < 2; i += 1) expect((await register(statementOf(one))).status).toBe(201);
    asked.mockClear();
    const answers = await Promise.all(
      [statementOf(one, revoked), statementOf(other), statementOf(one, elsewhere)].map(register),
    );
    expect(answers.map(({ status, code }) => code ?? status)).toEqual(['registration/digest-revoked', 201, 201]);
    expect(asked).toHaveBeenCalled();
  });

  it('refuses a vendor that is suspended, and a certificate that is revoked', async () => {
    const [suspended, revoked] = [await enrol(), await enrol()];
    for (const signer of [suspended, revoked]) expect((await register(statementOf(signer))).status).toBe(201);
    const path = `/api/v1/vendors/${suspended.vendor}/suspension`;
    expect((await call(registry, 'post', path, 'alice', { reason: 'Test.' })).status).toBe(201);
    const order = { target: { vendor: revoked.vendor, issuedFrom: '2020-01-01T00:00:00Z' }, reason: 'keyCompromise' };
    expect((await call(registry, 'post', '/api/v1/revocations', 'victor', order)).status).toBe(201);
    for (let i = 0; i < 2; i += 1) expect((await register(statementOf(one))).status).toBe(201);
    const answers = await Promise.all([suspended, one, revoked].map((signer) => register(statementOf(signer))));
    expect(answers.map(({ status, code }) => code ?? status)).toEqual([
      'registration/vendor-not-active',
      201,
      'registration/certificate-revoked',
    ]);
  });
});
