import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import { developmentLogin } from '@margo-trust/client';
import { pino } from 'pino';
import { DataSource } from 'typeorm';
import { type Clock, SystemClock } from '../apps/registry/src/clock.ts';
import { type Config, readConfig } from '../apps/registry/src/config.ts';
import { createApp } from '../apps/registry/src/create-app.ts';
import { runGenesis } from '../apps/registry/src/genesis.ts';
import { FrontDoor, type Rooms } from '../apps/registry/src/http/front-door.ts';
import { createDevelopmentKeys } from '../apps/registry/src/keys/development-keys.ts';
import { SystemRandom } from '../apps/registry/src/random.ts';
import { openTestDatabase } from './database.ts';

/** The whole service on a database of its own, listening on a free port: nothing is replaced but, if asked, the clock. */
export interface TestRegistry {
  /** For supertest and fetch; also PUBLIC_URL. */
  url: string;
  app: INestApplication;
  source: DataSource;
  config: Config;
  /** What stands behind the front door. */
  rooms: Rooms;
  /** Everything logged at level warn and above, as objects. */
  logged: Record<string, unknown>[];
  /** The Authorization header of a demonstration account. */
  bearer(account: string): Promise<string>;
  close(): Promise<void>;
}

export async function startTestRegistry(
  options: { clock?: Clock; env?: NodeJS.ProcessEnv; prepareKeys?: (directory: string) => void } = {},
): Promise<TestRegistry> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'margo-registry-'));
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const env = { DATA_DIR: dataDirectory, PUBLIC_URL: `http://127.0.0.1:${port}`, ...options.env };
  const { config, secrets } = readConfig(env, port);
  createDevelopmentKeys(config.keysDirectory, secrets.keysPassphrase);
  options.prepareKeys?.(config.keysDirectory);

  const logged: Record<string, unknown>[] = [];
  const logger = pino(
    { level: 'warn' },
    { write: (line) => void logged.push(JSON.parse(line) as Record<string, unknown>) },
  );
  const random = new SystemRandom();
  const source = await openTestDatabase();
  const clock = options.clock ?? new SystemClock();
  const { app, rooms } = await createApp({ config, secrets, clock, random, source }, logger);
  const door = new FrontDoor(config, random, logger);
  server.on('request', door.handle);
  await runGenesis(app);
  door.open(rooms);

  const tokens = new Map<string, Promise<string>>();
  const url = config.publicUrl;
  return {
    url,
    app,
    source,
    config,
    rooms,
    logged,
    bearer: (account) => {
      const known =
        tokens.get(account) ?? developmentLogin({ baseUrl: url, account }).then((t) => `Bearer ${t.accessToken}`);
      tokens.set(account, known);
      return known;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await app.close();
      if (source.isInitialized) await source.destroy();
      rmSync(dataDirectory, { recursive: true, force: true });
    },
  };
}

/**
 * Another process on a test registry's database, with its directories, which answers no port. What it has to say from level warn up goes to
 * `say`. It is to be closed before the registry.
 */
export async function startReplica(
  { url, config: { dataDirectory, keysDirectory }, source }: TestRegistry,
  env: NodeJS.ProcessEnv = {},
  say: (line: string) => void = () => undefined,
): Promise<INestApplication> {
  const all = { PUBLIC_URL: url, DATA_DIR: dataDirectory, KEYS_DIR: keysDirectory, ...env };
  const { config, secrets } = readConfig(all, 1);
  const own = await new DataSource(source.options).initialize();
  const foundation = { config, secrets, clock: new SystemClock(), random: new SystemRandom(), source: own };
  return (await createApp(foundation, pino({ level: 'warn' }, { write: say }))).app;
}
