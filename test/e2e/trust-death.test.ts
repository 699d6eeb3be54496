import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { developmentLogin } from '@margo-trust/client';
import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TRUST_STEPS } from '../../apps/registry/src/trust-steps.ts';
import { connectTo } from '../database.ts';
import { makeCsr } from '../pki.ts';
import { type OutsidePostgres, startOutsidePostgres } from '../postgres.ts';
import { freePort, readyLine, repository, startProgram, startService, type Service } from '../service.ts';
import { type HandedOut, TrustJudge } from '../trust-judge.ts';
import { areRevocationsOut, pause, until } from './audit.ts';

const REQUESTERS = 3;

/** Somebody's certificate, from the request on. */
interface Wish {
  readonly csr: string;
  certificate?: HandedOut;
  /** Whether it is to be revoked, and whether the registry has said that it is. */
  readonly isPassing: boolean;
  isRevoked?: true;
}

describe('a process that dies while it issues, revokes or publishes', () => {
  let dataDir: string;
  let postgres: OutsidePostgres;
  let database: Client;
  let service: Service | undefined;
  let dying: ChildProcess | undefined;
  let url: string;
  let vendor: string;
  let judge: TrustJudge;
  let env: Record<string, string>;
  const wishes: Wish[] = [];

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'margo-trust-death-'));
    postgres = await startOutsidePostgres({ settings: ['fsync=on'] });
    const port = await freePort();
    env = { DATABASE_URL: postgres.url, PORT: String(port) };
    service = await startService({ dataDir, port, env });
    url = service.url;
    const { accessToken } = await developmentLogin({ baseUrl: url, account: 'victor' });
    const me = await fetch(`${url}/api/v1/me`, { headers: { authorization: `Bearer ${accessToken}` } });
    const { memberships } = (await me.json()) as { memberships: { organisation: string }[] };
    vendor = memberships.find(({ organisation }) => organisation !== 'margo')!.organisation;
    database = await connectTo({ url: postgres.url });
    judge = new TrustJudge(url, async (sql) => (await database.query(sql)).rows as Record<string, unknown>[]);
    await service.stop();
  });
  afterAll(async () => {
    dying?.kill('SIGKILL');
    await service?.stop();
    await database?.end();
    await postgres?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  /** The answer, or nothing when there is none or it is one to ask again after: the process may be dead under us. */
  async function ask(bearer: string, path: string, body: object) {
    const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' };
    const answer = await fetch(`${url}/api/v1/${path}`, { method: 'POST', headers, body: JSON.stringify(body) }).catch(
      () => undefined,
    );
    const found = await answer?.json().catch(() => undefined);
    return answer === undefined || found === undefined || answer.status >= 500
      ? undefined
      : { status: answer.status, body: found as HandedOut & { code?: string; detail: string } };
  }

  /** Brings a wish one question further. */
  async function pursue(bearer: string, wish: Wish): Promise<void> {
    if (wish.certificate === undefined) {
      const answer = await ask(bearer, `vendors/${vendor}/certificates`, { csr: wish.csr });
      if (answer?.status === 201) wish.certificate = answer.body;
      else if (answer !== undefined) {
        // The last answer was lost after the commit: the refusal says where the certificate is.
        expect(answer.body.code).toBe('certificate/key-used');
        const [, serial] = /by ([0-9a-f]{32})/.exec(answer.body.detail) ?? [];
        const found = await fetch(`${url}/api/v1/certificates/${serial}`).catch(() => undefined);
        if (found?.ok === true) wish.certificate = (await found.json()) as HandedOut;
      }
    } else if (wish.isPassing && wish.isRevoked === undefined) {
      const { serial } = wish.certificate;
      const answer = await ask(bearer, 'revocations', { target: { serials: [serial] }, reason: 'keyCompromise' });
      if (answer !== undefined) {
        expect(answer.status).toBeLessThan(300);
        wish.isRevoked = true;
      }
    }
  }

  const isOpen = (wish: Wish) => wish.certificate === undefined || (wish.isPassing && wish.isRevoked === undefined);
  const handedOut = () => wishes.flatMap(({ certificate }) => certificate ?? []);

  it.each(TRUST_STEPS)('starts again after "%s"', async (step) => {
    const child = startProgram(process.execPath, [join(repository, 'test/e2e/dying.mjs')], {
      ...{ ...env, DATA_DIR: dataDir, LOG_LEVEL: 'fatal', DIE_AT: step },
    });
    dying = child;
    await readyLine(child, /^ready (http\S+)/);
    const death = once(child, 'exit');
    let isDead = false;
    const { accessToken } = await developmentLogin({ baseUrl: url, account: 'victor' });
    const before = handedOut().length;
    const requesters = Array.from({ length: REQUESTERS }, async (_, n) => {
      for (let own = wishes.filter(isOpen)[n]; !isDead;) {
        if (own === undefined || !isOpen(own))
          wishes.push((own = { csr: makeCsr().pem, isPassing: wishes.length % 2 === 0 }));
        await pursue(accessToken, own);
        await pause(0.05); // so that publishing gets its turn on a small machine
      }
    });
    while (handedOut().length < before + REQUESTERS) await pause(0.02);
    await judge.poll(handedOut());
    child.kill('SIGUSR2');
    expect(await death).toEqual([null, 'SIGKILL']);
    isDead = true;
    await Promise.all(requesters);
  });

  it('has handed out nothing that the log does not hold, and revoked everywhere what it said it had', async () => {
    service = await startService({ dataDir, story: false, port: Number(env['PORT']), env });
    const { accessToken } = await developmentLogin({ baseUrl: url, account: 'victor' });
    for (const wish of wishes) while (isOpen(wish)) await pursue(accessToken, wish);
    const revoked = wishes.flatMap(({ certificate, isRevoked }) =>
      isRevoked && certificate ? certificate.serial : [],
    );
    expect(revoked.length).toBeGreaterThan(TRUST_STEPS.length);
    await until(() => areRevocationsOut(database), 60);
    await judge.hear(handedOut(), revoked);
  });
});
