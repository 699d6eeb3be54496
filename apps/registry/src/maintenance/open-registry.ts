import type { INestApplicationContext } from '@nestjs/common';
import { SystemClock } from '../clock.ts';
import { readConfig } from '../config.ts';
import { createApp } from '../create-app.ts';
import { openDatabase } from '../db/data-source.ts';
import { startEmbeddedPostgres } from '../db/embedded-postgres.ts';
import { createLogger } from '../logger.ts';
import { SystemRandom } from '../random.ts';

export interface OpenedRegistry {
  readonly app: INestApplicationContext;
  close(): Promise<void>;
}

/**
 * The application on its database as the environment names it, for work of its own: it listens nowhere and founds
 * nothing. On the embedded database only while no registry runs there.
 */
export async function openRegistry(env: NodeJS.ProcessEnv): Promise<OpenedRegistry> {
  const { config, secrets } = readConfig(env);
  const { databaseUrl } = secrets;
  const onLost = () => process.exit(1);
  const embedded =
    databaseUrl === undefined
      ? await startEmbeddedPostgres({ stateDirectory: config.dataDirectory, onLost })
      : undefined;
  try {
    const random = new SystemRandom();
    const source = await openDatabase(embedded ?? { url: databaseUrl ?? '' });
    const foundation = { config, secrets, clock: new SystemClock(), random, source };
    const { app } = await createApp(foundation, createLogger({ ...config, mode: 'development' }));
    return {
      app,
      close: async () => {
        await app.close();
        if (source.isInitialized) await source.destroy();
        await embedded?.stop();
      },
    };
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}
