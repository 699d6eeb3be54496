import { type RunningRegistry, startRegistry } from './registry.ts';
import { ConfigError } from './config.ts';
import { StartError } from './start-error.ts';

/**
 * Runs the registry until the process is told to stop, then exits: 0 after a signal, 1 when it could not start or lost its
 * database. `whenReady` may do more before the last line, `ready <url>`, is printed; `signal` tells it to give up.
 */
export async function runRegistry(
  env: NodeJS.ProcessEnv,
  whenReady: (registry: RunningRegistry, signal: AbortSignal) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const stop = new AbortController();
  let starting: Promise<RunningRegistry> | undefined;
  let isLost = false;

  let askedAt = 0;

  const end = (): void => {
    if (stop.signal.aborted) {
      // Ctrl-C below npm comes twice: from the terminal, and from npm, which passes it on. Later on, somebody is in a hurry.
      if (performance.now() - askedAt > 1_000) process.exit(130);
      return;
    }
    askedAt = performance.now();
    stop.abort();
    const closed = starting?.then((registry) => registry.close()) ?? Promise.resolve();
    closed.then(() => process.exit(isLost ? 1 : 0), fail);
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  const lose = (why: string): void => {
    isLost = true;
    process.stderr.write(`${why}\n`);
    end();
  };

  try {
    starting = startRegistry(env, lose);
    const registry = await starting;
    if (stop.signal.aborted) return;
    const { config, warning } = registry;
    // In production the log is what the operator sees.
    if (warning !== undefined && config.mode === 'development') process.stderr.write(`${warning}\n`);
    await whenReady(registry, stop.signal);
    if (!stop.signal.aborted) process.stdout.write(`ready ${registry.config.publicUrl}\n`);
  } catch (error) {
    if (!stop.signal.aborted) fail(error);
  }
}

function fail(error: unknown): void {
  const isExpected = error instanceof StartError || error instanceof ConfigError;
  process.stderr.write(`${isExpected ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
}
