import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplication, INestApplicationContext, Type } from '@nestjs/common';
import { parseTimestamp } from '@margo-trust/tuf';
import { pino } from 'pino';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openTestDatabase } from '../../../test/database.ts';
import { CreateAuthorities } from './certificates/create-authorities.ts';
import { KeepAuthorities } from './certificates/keep-authorities.ts';
import { FixedClock } from './clock.ts';
import { Config, readConfig } from './config.ts';
import { createApp } from './create-app.ts';
import { Db } from './db/db.ts';
import { foundRegistry } from './found-registry.ts';
import { Readiness } from './http/readiness.ts';
import { createDevelopmentKeys } from './keys/development-keys.ts';
import { KeyRing } from './keys/key-ring.ts';
import { LogReader } from './log/log.reader.ts';
import { OpenLog } from './log/open-log.ts';
import { SystemRandom } from './random.ts';
import { IssueCrl } from './revocation/issue-crl.ts';
import { PerformCeremony } from './trust-root/perform-ceremony.ts';
import { PublishCeremony } from './trust-root/publish-ceremony.ts';
import { PublishTrustRoot } from './trust-root/publish-trust-root.ts';
import { SignOnlineRoles } from './trust-root/sign-online-roles.ts';
import { TrustRootReader } from './trust-root/trust-root.reader.ts';

const GENESIS = new Date('2026-11-20T12:00:00.500Z');
const hoursLater = (hours: number) => new Date(GENESIS.getTime() + hours * 3_600_000);

let dataDirectory: string;
let source: DataSource;
let app: INestApplication;
let clock: FixedClock;

beforeAll(() => {
  dataDirectory = mkdtempSync(join(tmpdir(), 'margo-genesis-'));
  createDevelopmentKeys(join(dataDirectory, 'keys'));
});
afterAll(() => rmSync(dataDirectory, { recursive: true, force: true }));

beforeEach(async () => {
  const { config, secrets } = readConfig({ DATA_DIR: dataDirectory }, 8080);
  source = await openTestDatabase();
  clock = new FixedClock(GENESIS);
  const foundation = { config, secrets, clock, random: new SystemRandom(), source };
  ({ app } = await createApp(foundation, pino({ level: 'silent' })));
});
afterEach(async () => {
  await app.close();
  if (source.isInitialized) await source.destroy();
  // The next one has a database of its own, and knows nothing of this log.
  rmSync(join(dataDirectory, 'high-water.json'), { force: true });
});

const count = async (table: string): Promise<number> =>
  Number((await source.query<{ n: string }[]>(`SELECT count(*) AS n FROM ${table}`))[0]?.n);

/** The application, except that what `token` stands for is replaced. */
function withOther<T extends object>(token: Type<T> | typeof Config, replace: (real: T) => T): INestApplicationContext {
  const replaced = replace(app.get(token as Type<T>));
  return { get: (asked: Type) => (asked === token ? replaced : app.get(asked)) } as INestApplicationContext;
}

/** A service that does its work and dies before anybody hears of it. */
function dyingAfter<T extends object>(real: T): T {
  return new Proxy(real, {
    get: (target, name) => {
      const member = Reflect.get(target, name) as unknown;
      if (!['run', 'runIn'].includes(String(name)) || typeof member !== 'function') {
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      }
      return async (...parameters: unknown[]) => {
        await (member.apply(target, parameters) as Promise<unknown>);
        throw new Error('killed');
      };
    },
  });
}

/** This clock stands still far from the database's, which is rightly said and nothing to this file. */
async function failures(): Promise<Record<string, string>> {
  const { clock: _, ...others } = await app.get(Readiness).failures();
  return others;
}

describe('genesis', () => {
  it('makes a registry that is ready, and only once', async () => {
    await foundRegistry(app);
    const tables = ['genesis', 'authority', 'log_entry', 'tuf_metadata', 'crl', 'published_file'];
    const before = await Promise.all(tables.map(count));
    expect(before.slice(0, -1)).toEqual([1, 4, 4, 5, 129]);
    expect(await failures()).toEqual({});
    await foundRegistry(app);
    expect(await Promise.all(tables.map(count))).toEqual(before);
  });

  it('is not ready before', async () => {
    expect(Object.keys(await failures())).toContain('trust root');
    await app.get(PublishTrustRoot).run();
    expect(await app.get(PublishTrustRoot).isDue()).toBe(false);
    expect(await count('tuf_metadata')).toBe(0);
  });

  it('is done once by replicas that start together', async () => {
    await Promise.all([foundRegistry(app), foundRegistry(app), foundRegistry(app)]);
    expect([await count('authority'), await count('log_entry'), await count('tuf_metadata')]).toEqual([4, 4, 5]);
  });

  it.each([CreateAuthorities, KeepAuthorities, OpenLog, PerformCeremony, PublishCeremony])(
    'leaves nothing when it dies after %o, and can be repeated',
    async (step: Type<object>) => {
      await expect(foundRegistry(withOther(step, dyingAfter))).rejects.toThrow('killed');
      for (const table of ['genesis', 'authority', 'log', 'tuf_current', 'crl', 'published_file']) {
        expect(await count(table), table).toBe(0);
      }
      await foundRegistry(app);
      expect(await failures()).toEqual({});
    },
  );

  it('publishes at the next start what it had no time to publish', async () => {
    const dying = withOther(PublishTrustRoot, (real) =>
      Object.assign(Object.create(real) as PublishTrustRoot, { isFirstDue: () => Promise.reject(new Error('killed')) }),
    );
    await expect(foundRegistry(dying)).rejects.toThrow('killed');
    expect(await app.get(TrustRootReader).findCurrent()).toMatchObject({ root: 1, targets: 1, live: 0, timestamp: 0 });
    expect((await app.get(LogReader).loadHead()).size).toBe(3n);
    await foundRegistry(app);
    expect(await app.get(TrustRootReader).findCurrent()).toMatchObject({ live: 1, snapshot: 1, timestamp: 1 });
  });

  it('does not begin a second log under a key that has signed one', async () => {
    await foundRegistry(app);
    await app.close(); // and with it the database
    source = await openTestDatabase();
    const { config, secrets } = readConfig({ DATA_DIR: dataDirectory }, 8080);
    const foundation = { config, secrets, clock, random: new SystemRandom(), source };
    ({ app } = await createApp(foundation, pino({ level: 'silent' })));
    await expect(foundRegistry(app)).rejects.toThrow(
      /This log has 0 entries, .*high-water\.json has seen 3: .*new keys/,
    );
    expect(await count('log')).toBe(0);
  });

  it('refuses the database of another domain, and says how to go on', async () => {
    await foundRegistry(app);
    const other = withOther<Config>(Config, (real) => ({ ...real, domain: 'other.example' }));
    await expect(foundRegistry(other)).rejects.toThrow(/REGISTRY_DOMAIN=registry\.localhost/);
  });

  it('refuses other keys than those it was founded with', async () => {
    await foundRegistry(app);
    const other = join(dataDirectory, 'keys-of-another');
    createDevelopmentKeys(other);
    const renewed = withOther(KeyRing, () => new KeyRing(other));
    await expect(foundRegistry(renewed)).rejects.toThrow(/not those that this database's registry was founded with/);
  });

  it('is left to people in production', async () => {
    const production = withOther<Config>(Config, (real) => ({ ...real, mode: 'production' }));
    await expect(foundRegistry(production)).rejects.toThrow(/never founded.*docs\/operations\/founding\.md/);
    expect(await count('genesis')).toBe(0);
    await foundRegistry(app);
    await foundRegistry(production);
  });
});

describe('the trust root of a quiet registry', () => {
  const publish = () => app.get(PublishTrustRoot);
  const timestamp = async () => {
    const { timestamp: version } = (await app.get(TrustRootReader).findCurrent())!;
    return parseTimestamp(await app.get(TrustRootReader).loadMetadata('timestamp', version));
  };
  beforeEach(() => foundRegistry(app));

  it('is signed again every day, long before it expires', async () => {
    expect((await timestamp()).signed.expires).toBe('2026-11-27T12:00:00Z');
    clock.moveTo(hoursLater(23.9));
    expect(await publish().isDue()).toBe(false);
    clock.moveTo(hoursLater(24));
    expect(await publish().isDue()).toBe(true);
    await publish().run();
    expect((await timestamp()).signed).toMatchObject({ version: 2, expires: '2026-11-28T12:00:00Z' });
    expect(await publish().isDue()).toBe(false);
  });

  it('follows a new CRL', async () => {
    clock.moveTo(hoursLater(8 * 24));
    await app.get(IssueCrl).run();
    expect(await publish().isDue()).toBe(true);
  });

  it('is reported when nobody signs it', async () => {
    clock.moveTo(hoursLater(48));
    await app.get(IssueCrl).run();
    expect(await failures()).toEqual({
      'trust root': 'The trust root was last published at 2026-11-20T12:00:00Z: is the worker running?',
    });
  });

  it('is not signed with another key than the one the ceremony named', async () => {
    const other = join(dataDirectory, 'other-keys');
    createDevelopmentKeys(other);
    const sign = new SignOnlineRoles(app.get(TrustRootReader), new KeyRing(other));
    const current = (await app.get(TrustRootReader).findCurrent())!;
    await expect(app.get(Db).transaction((tx) => sign.run(tx, current, {}, GENESIS))).rejects.toMatchObject({
      code: 'tuf/threshold-not-met',
    });
  });

  it('still carries news when root and targets have expired', async () => {
    clock.moveTo(hoursLater(24 * 400));
    await publish().run();
    expect((await timestamp()).signed.version).toBe(2);
  });
});
