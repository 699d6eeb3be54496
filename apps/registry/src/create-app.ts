import { join } from 'node:path';
import type { DynamicModule, INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import type { Application } from 'express';
import type { Logger } from 'pino';
import { AppModule, type Foundation, LogAppModule, type Shared } from './app.module.ts';
import { TimestampPaths } from './certificates/timestamping/timestamp-paths.ts';
import type { Config, Secrets } from './config.ts';
import { Db } from './db/db.ts';
import { ConsoleFiles } from './http/console-files.ts';
import { firstOf, type Rooms } from './http/front-door.ts';
import { Metrics } from './http/metrics.ts';
import { describeApi, serveApiDescription } from './http/openapi.ts';
import { ProblemFilter } from './http/problem.filter.ts';
import { PublishedFiles } from './http/published-files.store.ts';
import { AppendRecord } from './log/append-record.ts';
import { GoverningRecord } from './log/governing-record.ts';
import { LogPaths } from './log/log-paths.ts';
import { type RunningLog, RunningLogs } from './log/running-logs.ts';
import type { ServedLog } from './log/served-log.ts';
import { nestLogger } from './logger.ts';

/** Builds the application, without listening and without genesis. */
export async function createApp(
  foundation: Foundation,
  logger: Logger,
): Promise<{ app: INestApplication; rooms: Rooms }> {
  const { config, secrets } = foundation;
  const metrics = new Metrics();
  const { app, express } = await createNest(AppModule.on(foundation, metrics), logger);
  serveApiDescription(express, describeApi(app));
  if (config.hasEmbeddedOidc) {
    // Loaded here only: production neither needs nor wants it.
    express.use('/oidc', await embedOidc(config, secrets, logger));
  }
  await app.init();
  await app.get(PublishedFiles).listen();
  const logs = app.get(RunningLogs);
  const shared = { metrics, db: app.get(Db), governing: new GoverningRecord(app.get(AppendRecord)) };
  await logs.serveWith((log) => createLogApp(foundation, shared, log, logger));
  const rooms = {
    files: app.get(PublishedFiles),
    console: new ConsoleFiles(join(import.meta.dirname, '../../console/dist')),
    metrics,
    problems: app.get(ProblemFilter),
    express: express as unknown as Rooms['express'],
    hotPaths: firstOf(app.get(LogPaths), app.get(TimestampPaths)),
    logs,
  };
  return { app, rooms };
}

/** Builds what serves one log of its own name, beside the application of the registry. */
async function createLogApp(
  foundation: Foundation,
  shared: Shared,
  log: ServedLog,
  logger: Logger,
): Promise<RunningLog> {
  const { app, express } = await createNest(LogAppModule.on(foundation, shared, log), logger);
  await app.init();
  return { log, app, hotPaths: app.get(LogPaths), express: express as unknown as Rooms['express'] };
}

async function createNest(
  module: DynamicModule,
  logger: Logger,
): Promise<{ app: INestApplication; express: Application }> {
  const app = await NestFactory.create(module, new ExpressAdapter(), {
    bodyParser: false, // http/body.ts reads bodies, with limits before parsing
    abortOnError: false,
    logger: nestLogger(logger),
  });
  const express = app.getHttpAdapter().getInstance() as Application;
  express.disable('x-powered-by');
  express.disable('etag');
  express.set('query parser', 'simple');
  return { app, express };
}

/** The provider prints advice for those who run it in production, which is not what we do: to the logger with it. */
async function embedOidc(config: Config, secrets: Secrets, logger: Logger): Promise<Rooms['express']> {
  const { info, warn } = console;
  console.info = console.warn = (text: string) => logger.info(text);
  try {
    const { createEmbeddedOidc } = await import('./callers/embedded-oidc.ts');
    return createEmbeddedOidc(config, secrets);
  } finally {
    Object.assign(console, { info, warn });
  }
}
