import { type DynamicModule, Module } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { CallersModule } from './callers/callers.module.ts';
import { CertificatesModule } from './certificates/certificates.module.ts';
import type { Clock } from './clock.ts';
import { ConfigModule } from './config.module.ts';
import type { Config, Secrets } from './config.ts';
import { DbModule } from './db/db.module.ts';
import type { Db } from './db/db.ts';
import { HttpModule } from './http/http.module.ts';
import type { Metrics } from './http/metrics.ts';
import { KeysModule } from './keys/keys.module.ts';
import type { GoverningRecord } from './log/governing-record.ts';
import { LogModule } from './log/log.module.ts';
import { TileExportModule } from './log/tiles/tile-export.module.ts';
import type { ServedLog } from './log/served-log.ts';
import { NotificationsModule } from './notifications/notifications.module.ts';
import type { Random } from './random.ts';
import { RevocationModule } from './revocation/revocation.module.ts';
import { TrustRootModule } from './trust-root/trust-root.module.ts';
import { VendorsModule } from './vendors/vendors.module.ts';

/** What the roof brings along. */
export interface Foundation {
  config: Config;
  secrets: Secrets;
  clock: Clock;
  random: Random;
  source: DataSource;
}

@Module({})
export class AppModule {
  static on(foundation: Foundation, metrics: Metrics): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.of({ ...foundation, metrics }),
        DbModule.open(foundation.source),
        HttpModule,
        KeysModule,
        CallersModule,
        LogModule,
        TileExportModule,
        NotificationsModule,
        VendorsModule,
        CertificatesModule,
        RevocationModule,
        TrustRootModule,
      ],
    };
  }
}

/** What a log of its own name has in common with the registry beside it. */
export interface Shared {
  readonly metrics: Metrics;
  readonly db: Db;
  readonly governing: GoverningRecord;
}

/** One log of its own name, in a process that serves the registry: whatever else there is belongs to {@link AppModule}. */
@Module({})
export class LogAppModule {
  static on(foundation: Foundation, { metrics, db, governing }: Shared, log: ServedLog): DynamicModule {
    return {
      module: LogAppModule,
      imports: [
        ConfigModule.of({ ...foundation, metrics, log, governing }),
        DbModule.share(foundation.source, db),
        HttpModule,
        KeysModule,
        CallersModule,
        LogModule,
        TileExportModule,
        NotificationsModule,
      ],
    };
  }
}
