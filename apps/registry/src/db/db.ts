import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

declare const inTransaction: unique symbol;

/** An entity manager that is known to be inside a transaction. Only {@link Db.transaction} makes one. */
export type Tx = EntityManager & { readonly [inTransaction]: true };

@Injectable()
export class Db {
  private readonly whenCommitted = new WeakMap<EntityManager, (() => void)[]>();

  constructor(private readonly source: DataSource) {}

  /** Runs `work` in one READ COMMITTED transaction: committed when it returns, rolled back when it throws. */
  async transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    const effects: (() => void)[] = [];
    const result = await this.source.transaction((manager) => {
      this.whenCommitted.set(manager, effects);
      return work(manager as Tx);
    });
    for (const effect of effects) effect();
    return result;
  }

  /**
   * Runs `effect` after the transaction has committed and before {@link transaction} returns; never after a rollback.
   * For what lives in this process only, such as a cache: a crash in between loses it.
   */
  afterCommit(tx: Tx, effect: () => void): void {
    const effects = this.whenCommitted.get(tx);
    if (effects === undefined) throw new Error('Not a transaction of this database.');
    effects.push(effect);
  }

  /** For reading outside a transaction. */
  get manager(): EntityManager {
    return this.source.manager;
  }

  /** One read by SQL, outside any transaction. Rows come as node-postgres gives them: `bigint` columns are strings. */
  query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return this.source.query<Row[]>(sql, [...parameters]);
  }

  /** What the database's clock says now: a second opinion for whoever must not trust the clock of this host alone. */
  async loadTime(): Promise<Date> {
    const [row] = await this.query<{ now: Date }>('SELECT clock_timestamp() AS now');
    if (row === undefined) throw new Error('The database does not tell the time.');
    return row.now;
  }
}
