import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHex } from '@margo-trust/bytes';
import { developmentLogin } from '@margo-trust/client';
import { openRevocationFilter } from '@margo-trust/revocation-filter';
import { parseCertificate, parseCrl } from '@margo-trust/x509';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OutsidePostgres, startOutsidePostgres } from '../postgres.ts';
import { freePort, startService, type Service } from '../service.ts';
import { areRevocationsOut, bytesAt, pause, until } from './audit.ts';

const REVOKED = 10_000;
const AN_ORDER = 50;
const SHARDS = 128;
/** As revocation.store.ts has it: "crls". */
const CRL_LOCK = 0x63726c73;
/** After which a publisher that does nothing loses its turn. */
const STANDS_STILL_SECONDS = 20;

describe('two workers that publish', () => {
  let postgres: OutsidePostgres;
  let directory: string;
  let api: Service;
  let workers: Service[] = [];
  let database: Client;
  let vendor: string;
  let bearer: string;

  const start = (name: string, env: NodeJS.ProcessEnv, options: { story?: boolean; port?: number } = {}) =>
    startService({
      ...{ story: false, dataDir: join(directory, name), ...options },
      env: { DATABASE_URL: postgres.url, KEYS_DIR: join(directory, 'keys'), ...env },
    });
  const startWorker = (name: string) =>
    start(name, { ROLE: 'worker', DATABASE_URL: `${postgres.url}?application_name=${name}` });

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'margo-publishers-'));
    postgres = await startOutsidePostgres();
    const port = await freePort();
    await (await start('api', {}, { port, story: true })).stop();
    api = await start('api', { ROLE: 'api' }, { port });
    workers = await Promise.all([startWorker('one'), startWorker('two')]);
    database = new Client({ connectionString: postgres.url });
    await database.connect();
    const { accessToken } = await developmentLogin({ baseUrl: api.url, account: 'victor' });
    bearer = `Bearer ${accessToken}`;
    const me = await fetch(`${api.url}/api/v1/me`, { headers: { authorization: bearer } });
    const { memberships } = (await me.json()) as { memberships: { organisation: string }[] };
    vendor = memberships.find(({ organisation }) => organisation !== 'margo')!.organisation;
  });
  afterAll(async () => {
    await database?.end();
    for (const { child } of workers) child.kill('SIGCONT');
    await Promise.all([...workers, ...(api ? [api] : [])].map((service) => service.stop()));
    await postgres?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** Certificates that nobody signed: rows as issuing makes them, since ten thousand signatures are not what this is about. */
  async function plant(count: number): Promise<string[]> {
    const serials = Array.from({ length: count }, () => `40${randomBytes(15).toString('hex')}`);
    await database.query(
      `INSERT INTO certificate (serial, fingerprint, spki_sha256, vendor_id, issuer, shard, der, not_before, not_after,
                                log_index, entry_id, issued_at, assurance)
       SELECT s, sha256(decode(s, 'hex')), sha256(decode('00' || s, 'hex')), $2, 'issuing-1',
              get_byte(decode(s, 'hex'), 15) % ${SHARDS}, '', now(), now() + interval '1 year', 1, 'planted', now(), 'software'
       FROM unnest($1::text[]) AS t (s)`,
      [serials, vendor],
    );
    return serials;
  }

  async function revoke(serials: readonly string[]): Promise<void> {
    const headers = { authorization: bearer, 'content-type': 'application/json' };
    const body = JSON.stringify({ target: { serials }, reason: 'keyCompromise' });
    const answer = await fetch(`${api.url}/api/v1/revocations`, { method: 'POST', headers, body });
    if (!answer.ok) throw new Error(`A revocation answers ${answer.status}: ${await answer.text()}`);
  }

  it('number what they publish upwards, and lose none of 10,000 revocations, also when one of them is killed', async () => {
    const { url } = api;
    const serials = await plant(REVOKED);
    const client = new Poller(url);
    let isOver = false;
    const polling = (async () => {
      while (!isOver) await client.poll();
    })();
    const before: number[] = [];
    for (let at = 0; at < REVOKED; at += AN_ORDER) {
      // Each of them is alone for a while, so both are seen to publish.
      if (at === REVOKED / 4) workers[0]!.child.kill('SIGKILL');
      if (at === REVOKED / 2) {
        before.push(client.publications);
        workers[0] = await startWorker('one');
        workers[1]!.child.kill('SIGKILL');
      }
      if (at === (REVOKED * 3) / 4) {
        before.push(client.publications);
        workers[1] = await startWorker('two');
      }
      await revoke(serials.slice(at, at + AN_ORDER));
    }
    await until(() => areRevocationsOut(database), 60);
    isOver = true;
    await polling;
    expect((await client.poll()).size).toBe(REVOKED);
    expect(before[1]).toBeGreaterThan(before[0]!);
    expect(client.publications).toBeGreaterThan(before[1]!);

    const names = await targetsOf(url);
    const file = (name: string) => bytesAt(`${url}/tuf/targets/${names[name]!.hashes.sha256}.${name}`);
    const filter = openRevocationFilter(await file('live.revoked.filter'));
    const issuer = createHash('sha256')
      .update(parseCertificate(await bytesAt(`${url}/ca/issuing-1.crt`)).spki)
      .digest();
    expect(serials.filter((serial) => !filter.isRevoked(Uint8Array.from(issuer), parseHex(serial)))).toEqual([]);
    const shards = Object.keys(names).filter((name) => /^live\.revoked\.\w+\.json$/.test(name));
    const listed = await Promise.all(
      shards.map(async (name) => JSON.parse(new TextDecoder().decode(await file(name))) as Listed),
    );
    const all = new Set(listed.flatMap(({ certificates }) => certificates.map(({ serial }) => serial)));
    expect(serials.filter((serial) => !all.has(serial))).toEqual([]);
  });

  it('go on when one of them stands still in the middle of publishing', async () => {
    const [worker] = workers as [Service, Service];
    const spare = await plant(200);
    const holds = async () =>
      (
        await database.query(
          `SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
           WHERE l.locktype = 'advisory' AND l.granted AND l.objid = $1 AND a.application_name = 'one'`,
          [CRL_LOCK],
        )
      ).rows.length > 0;
    for (;;) {
      await revoke(spare.splice(0, 1));
      for (let tries = 0; tries < 600 && !(await holds()); tries += 1) await pause(0.005);
      worker.child.kill('SIGSTOP');
      await pause(0.5);
      if (await holds()) break; // and not just done, or the other one's turn
      worker.child.kill('SIGCONT');
    }
    const client = new Poller(api.url);
    const [serial = ''] = spare;
    await revoke([serial]);
    const since = performance.now();
    await until(async () => (await client.poll()).has(serial));
    expect((performance.now() - since) / 1_000).toBeLessThan(STANDS_STILL_SECONDS + 15);
    worker.child.kill('SIGCONT');
    await pause(3);
    await revoke(spare.slice(1, 2));
    await until(async () => (await client.poll()).has(spare[1]!));
  });
});

interface Listed {
  readonly certificates: readonly { readonly serial: string }[];
}

/** Reads everything again and again, and throws as soon as something contradicts what it has read before. */
class Poller {
  /** By shard. */
  private readonly crls = new Map<number, { number: bigint; digest: string; serials: ReadonlySet<string> }>();
  private readonly versions = new Set<number>();
  private readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** How many timestamps of the trust root it has seen. */
  get publications(): number {
    return this.versions.size;
  }

  /** What the CRLs list together. */
  async poll(): Promise<ReadonlySet<string>> {
    const all = new Set<string>();
    for (let shard = 0; shard < SHARDS; shard += 1) {
      const body = await bytesAt(`${this.url}/crl/issuing-1/${shard}.crl`);
      const { number = -1n, entries } = parseCrl(body);
      const digest = createHash('sha256').update(body).digest('hex');
      const last = this.crls.get(shard);
      if (last !== undefined && last.digest !== digest && number <= last.number) {
        throw new Error(`CRL ${shard} went from number ${last.number} to ${number}.`);
      }
      for (const serial of last?.serials ?? []) {
        if (!entries.has(serial)) throw new Error(`CRL ${shard} has dropped ${serial} with number ${number}.`);
      }
      this.crls.set(shard, { number, digest, serials: new Set(entries.keys()) });
      for (const serial of entries.keys()) all.add(serial);
    }
    const timestamp = new TextDecoder().decode(await bytesAt(`${this.url}/tuf/timestamp.json`));
    const { version } = (JSON.parse(timestamp) as { signed: { version: number } }).signed;
    const newest = Math.max(0, ...this.versions);
    if (version < newest) throw new Error(`The trust root went from ${newest} to ${version}.`);
    this.versions.add(version);
    return all;
  }
}

async function targetsOf(url: string): Promise<Record<string, { hashes: { sha256: string } }>> {
  const load = async <T>(path: string) =>
    JSON.parse(new TextDecoder().decode(await bytesAt(`${url}/tuf/${path}`))) as T;
  type Signed<T> = { signed: T };
  const timestamp = await load<Signed<{ meta: { 'snapshot.json': { version: number } } }>>('timestamp.json');
  const { version } = timestamp.signed.meta['snapshot.json'];
  const snapshot = await load<Signed<{ meta: Record<string, { version: number }> }>>(`${version}.snapshot.json`);
  const live = `${snapshot.signed.meta['live.json']!.version}.live.json`;
  return (await load<Signed<{ targets: Record<string, { hashes: { sha256: string } }> }>>(live)).signed.targets;
}
