import { join } from 'node:path';
import type { LoggerService } from '@nestjs/common';
import { destination, type Logger, pino } from 'pino';
import type { Config } from './config.ts';

/**
 * JSON lines without personal data: to standard output in production, to DATA_DIR/registry.log in development, where the
 * terminal belongs to the person at it.
 */
export function createLogger(config: Config): Logger {
  const dest = config.mode === 'production' ? 1 : join(config.dataDirectory, 'registry.log');
  const target = destination({ dest, mkdir: true, sync: false, minLength: 4096, periodicFlush: 1_000 });
  return pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime }, target);
}

/** Nest's own messages in the same stream. */
export function nestLogger(logger: Logger): LoggerService {
  const say =
    (level: 'info' | 'error' | 'warn' | 'debug') =>
    (message: unknown, ...rest: unknown[]) => {
      const context = rest.findLast((part) => typeof part === 'string');
      logger[level](typeof message === 'object' ? { context, ...message } : { context, msg: String(message) });
    };
  return {
    log: say('info'),
    error: say('error'),
    warn: say('warn'),
    debug: say('debug'),
    verbose: say('debug'),
    fatal: say('error'),
  };
}
