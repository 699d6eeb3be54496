import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { Db } from '../db/db.ts';
import { AllowedMethods } from './allowed-methods.ts';
import { HealthController } from './health.controller.ts';
import { ProblemFilter } from './problem.filter.ts';
import { PublishedFiles } from './published-files.store.ts';
import { Readiness } from './readiness.ts';

@Module({
  controllers: [HealthController],
  providers: [
    AllowedMethods,
    ProblemFilter,
    { provide: APP_FILTER, useExisting: ProblemFilter },
    PublishedFiles,
    Readiness,
  ],
  exports: [ProblemFilter, PublishedFiles, Readiness],
})
export class HttpModule {
  constructor(readiness: Readiness, db: Db) {
    readiness.add('database', async () => {
      await db.query('SELECT 1');
      return undefined;
    });
  }
}
