import { type DynamicModule, Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { Db } from './db.ts';

@Global()
@Module({})
export class DbModule {
  /** Takes a data source that is already open and migrated, and closes it with the application. */
  static open(source: DataSource): DynamicModule {
    return {
      module: DbModule,
      imports: [
        TypeOrmModule.forRootAsync({
          useFactory: () => source.options,
          dataSourceFactory: () => Promise.resolve(source),
        }),
      ],
      providers: [Db],
      exports: [Db],
    };
  }

  /** The database of another application of this process, which closes it. */
  static share(source: DataSource, db: Db): DynamicModule {
    return {
      module: DbModule,
      providers: [
        { provide: DataSource, useValue: source },
        { provide: Db, useValue: db },
      ],
      exports: [DataSource, Db],
    };
  }
}
