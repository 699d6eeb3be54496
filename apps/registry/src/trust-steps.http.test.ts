import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { connectTo, databaseOf } from '../../../test/database.ts';
import { admitVendor, call, makeCsr } from '../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../test/registry.ts';
import { type HandedOut, TrustJudge } from '../../../test/trust-judge.ts';
import { Db } from './db/db.ts';
import { IssueCrl } from './revocation/issue-crl.ts';
import { PublishTrustRoot } from './trust-root/publish-trust-root.ts';
import { TRUST_STEPS, type TrustStep, TrustSteps } from './trust-steps.ts';

const KINDS = ['throws', 'loses its connections'] as const;
/** Everything that should fail has failed, and all is done, long before so many attempts. */
const ATTEMPTS = 8;

describe('a registry in which something fails between two steps', () => {
  let registry: TestRegistry;
  let database: Client;
  let judge: TrustJudge;
  let vendor: string;
  /** What is still to fail, in this order. */
  let planned: { step: TrustStep; kind: (typeof KINDS)[number] }[] = [];
  const handedOut: HandedOut[] = [];
  const revoked: string[] = [];

  beforeAll(async () => {
    registry = await startTestRegistry();
    vendor = await admitVendor(registry);
    const { database: name } = registry.source.options as { database: string };
    database = await connectTo(databaseOf(inject('postgres').cluster, 'postgres'));
    registry.app.get(TrustSteps).reached = async (step) => {
      if (planned[0]?.step !== step) return;
      const [{ kind }] = planned.splice(0, 1) as [(typeof planned)[number]];
      if (kind === 'throws') throw new Error(`failed at "${step}"`);
      await database.query('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1', [name]);
    };
    judge = new TrustJudge(registry.url, (sql) => registry.app.get(Db).query(sql));
  });
  afterAll(async () => {
    planned = [];
    await database?.end();
    await registry?.close();
  });

  /** Until it succeeds; what fails is a refusal that says so, and asking again is right. */
  async function persist<T>(work: () => Promise<T | undefined>): Promise<T> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const done = await work();
      if (done !== undefined) return done;
    }
    throw new Error(`It does not come to an end${planned[0] ? `, nor to "${planned[0].step}"` : ''}.`);
  }

  async function obtain(csr: string): Promise<HandedOut> {
    return persist(async () => {
      const { status, body } = await call(registry, 'post', `/api/v1/vendors/${vendor}/certificates`, 'victor', {
        csr,
      });
      if (status === 201) return body as HandedOut;
      if (status >= 500) return undefined;
      // The answer was lost after the commit: the refusal says where the certificate is.
      expect(body.code).toBe('certificate/key-used');
      const [, serial] = /by ([0-9a-f]{32})/.exec(body.detail as string) ?? [];
      return (await call(registry, 'get', `/api/v1/certificates/${serial}`)).body as HandedOut;
    });
  }

  async function revoke(serial: string): Promise<void> {
    await persist(async () => {
      const order = { target: { serials: [serial] }, reason: 'keyCompromise' };
      const { status } = await call(registry, 'post', '/api/v1/revocations', 'victor', order);
      if (status < 500) expect([200, 201]).toContain(status);
      return status < 500 ? true : undefined;
    });
  }

  /** What the worker does, until there is nothing left to do. */
  async function publish(): Promise<void> {
    const jobs = [registry.app.get(IssueCrl), registry.app.get(PublishTrustRoot)];
    await persist(async () => {
      await Promise.all(jobs.map((job) => job.run().catch(() => undefined)));
      const due = await Promise.all(jobs.map((job) => job.isDue().catch(() => true)));
      return due.includes(true) ? undefined : true;
    });
  }

  it.each(TRUST_STEPS)(
    'hands out what it has logged or nothing, and revokes everywhere or nowhere, after "%s"',
    { timeout: 120_000 },
    async (step) => {
      for (const kind of KINDS) {
        planned = [{ step, kind }];
        const { pem } = makeCsr();
        const [lasting, passing] = [await obtain(pem), await obtain(makeCsr().pem)];
        expect((await obtain(pem)).certificate).toBe(lasting.certificate);
        handedOut.push(lasting, passing);
        await revoke(passing.serial);
        await publish();
        expect(planned, 'what was never reached').toEqual([]);
        revoked.push(passing.serial);
        await judge.hear(handedOut, revoked);
      }
    },
  );
});
