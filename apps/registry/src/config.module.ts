import { type DynamicModule, Global, Module } from '@nestjs/common';
import { Clock } from './clock.ts';
import { Config, Secrets } from './config.ts';
import { Metrics } from './http/metrics.ts';
import { GoverningRecord } from './log/governing-record.ts';
import { ServedLog } from './log/served-log.ts';
import { Random } from './random.ts';
import { TrustSteps } from './trust-steps.ts';

/** What the roof decides and every floor may ask for: configuration, time, randomness, which log, and where figures go. */
@Global()
@Module({})
export class ConfigModule {
  static of(ground: {
    config: Config;
    secrets: Secrets;
    clock: Clock;
    random: Random;
    metrics: Metrics;
    log?: ServedLog;
    governing?: GoverningRecord;
  }): DynamicModule {
    return {
      module: ConfigModule,
      providers: [
        { provide: Config, useValue: ground.config },
        { provide: Secrets, useValue: ground.secrets },
        { provide: Clock, useValue: ground.clock },
        { provide: Random, useValue: ground.random },
        { provide: Metrics, useValue: ground.metrics },
        TrustSteps,
        { provide: GoverningRecord, useValue: ground.governing ?? new GoverningRecord(undefined) },
        { provide: ServedLog, useValue: ground.log ?? ServedLog.first(ground.config.domain) },
      ],
      exports: [Config, Secrets, Clock, Random, Metrics, GoverningRecord, ServedLog, TrustSteps],
    };
  }
}
