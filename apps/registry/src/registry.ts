import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { SystemClock } from './clock.ts';
import { CertificateReader } from './certificates/certificate.reader.ts';
import { findMovedAddress } from './certificates/publication-address.ts';
import { type Config, readConfig, readHost, readPort } from './config.ts';
import { createApp } from './create-app.ts';
import { openDatabase } from './db/data-source.ts';
import { findDatabase } from './db/find-database.ts';
import { runGenesis } from './genesis.ts';
import { FrontDoor } from './http/front-door.ts';
import { holdRequests } from './http/hold-requests.ts';
import { createDevelopmentKeys } from './keys/development-keys.ts';
import { RunningLogs } from './log/running-logs.ts';
import { PublishTiles } from './log/tiles/publish-tiles.ts';
import { createLogger } from './logger.ts';
import { FollowEntries } from './notifications/follow-entries.ts';
import { SystemRandom } from './random.ts';
import { StartError } from './start-error.ts';
import { startWorker } from './worker.ts';
import { makeStateDirectory } from './state-directory.ts';

export interface RunningRegistry {
  config: Config;
  /** What the operator should know although the start has succeeded. It is in the log as well. */
  warning: string | undefined;
  /** Finishes what is under way, then stops everything this process started. May be called again. */
  close(): Promise<void>;
}

/**
 * Starts the service as the environment says. When this returns, it answers at `config.publicUrl`.
 *
 * The port is taken first: that tells the address others must know, and fails early when somebody else has it.
 * `onLost` is called when the ground goes under it, such as the embedded database: the process should end, with that sentence.
 */
export async function startRegistry(env: NodeJS.ProcessEnv, onLost: (why: string) => void): Promise<RunningRegistry> {
  const closers: (() => Promise<unknown> | void)[] = [];
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= (async () => {
      for (const closer of closers.reverse()) await closer();
    })());

  let said: Logger | undefined;
  try {
    readConfig(env); // refuses bad settings before anything is touched
    const server = createServer({ requestTimeout: 60_000, headersTimeout: 15_000, keepAliveTimeout: 65_000 });
    const handOver = holdRequests(server);
    const { config, secrets } = readConfig(env, await listen(server, readHost(env), readPort(env)));
    closers.push(() => drain(server));
    if (config.mode === 'development') await makeStateDirectory(config.dataDirectory);
    const random = new SystemRandom();
    const logger = createLogger(config);
    // Where in production the operator looks.
    if (config.mode === 'production') said = logger;
    closers.push(() => new Promise<void>((resolve) => logger.flush(() => resolve())));
    const door = new FrontDoor(config, random, logger);
    handOver(door.handle);

    const address = await findDatabase(config, secrets, closers, onLost);
    if (config.mode === 'development') createDevelopmentKeys(config.keysDirectory, secrets.keysPassphrase);
    const source = await openDatabase(address);
    closers.push(() => (source.isInitialized ? source.destroy() : undefined));
    const { app, rooms } = await createApp({ config, secrets, clock: new SystemClock(), random, source }, logger);
    // From here on the server must be drained before the application goes.
    closers.push(() => app.close());
    closers.push(() => drain(server));
    closers.push(() => app.get(FollowEntries).endAll());
    closers.push(() => {
      for (const log of app.get(RunningLogs).served) log.app.get(FollowEntries).endAll();
    });

    await runGenesis(app);
    const warning = await findMovedAddress(app.get(CertificateReader), config.publicUrl);
    if (warning !== undefined) logger.warn(warning);
    if (config.role !== 'api') {
      await refuseUnfitStore(app.get(PublishTiles), logger);
      const worker = startWorker(app, onLost);
      closers.push(() => worker.stop());
    }
    door.open(rooms);
    return { config, warning, close };
  } catch (error) {
    if (error instanceof StartError) said?.fatal(error.message);
    await close();
    throw error;
  }
}

/** A tile store that overwrites stops the start. One that does not answer is asked again when there is something to write. */
async function refuseUnfitStore(tiles: PublishTiles, logger: Logger): Promise<void> {
  try {
    await tiles.prove();
  } catch (error) {
    if (error instanceof StartError) throw error;
    logger.warn({ msg: 'The tile store could not be tested', err: error });
  }
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const sentence =
        error.code === 'EADDRINUSE'
          ? `Port ${port} is taken. Stop who has it, or choose another one: PORT=${port + 1} npm start`
          : `${host} port ${port} cannot be listened on (${error.code}). Set HOST and PORT to what this machine lets you have.`;
      reject(new StartError(sentence, { cause: error }));
    });
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

/** Lets requests under way finish, for five seconds at most. */
async function drain(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = setTimeout(() => server.closeAllConnections(), 5_000);
  await closed;
  clearTimeout(cut);
}
