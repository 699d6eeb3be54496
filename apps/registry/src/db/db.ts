import { Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import { DataSource, type EntityManager } from 'typeorm';
import type { Failed } from './batches.ts';
import { asDatabaseFault, DatabaseFault } from './database.fault.ts';

declare const inTransaction: unique symbol;

/** An entity manager that is known to be inside a transaction. Only {@link Db.transaction} makes one. */
export type Tx = EntityManager & { readonly [inTransaction]: true };

declare const committed: unique symbol;

/** Something whose transaction has been committed, for whoever may act on nothing less. Only {@link Db.commit} makes one. */
export type Committed<T extends object> = T & { readonly [committed]: true };

interface OpenTransaction {
  readonly client: Client;
  /** For after the commit. */
  readonly effects: (() => void)[];
  /** Of the statement that failed last for a reason of its own. */
  failure?: unknown;
}

/** What {@link Db.insist} insisted on does not hold: nothing of its transaction has happened. */
export class Unmet extends Error {
  constructor(cause: unknown) {
    super('What a transaction insists on does not hold.', { cause });
  }
}

/** How a statement fails that divides by whether something holds. */
export const DIVISION_BY_ZERO = '22012';

/** Statements after the failed one are refused for that alone; they may well have been sent with it. */
const IN_FAILED_TRANSACTION = '25P02';

@Injectable()
export class Db {
  private readonly open = new WeakMap<EntityManager, OpenTransaction>();
  private readonly names = new Map<string, string>();

  constructor(private readonly source: DataSource) {}

  /**
   * Runs `work` in one READ COMMITTED transaction: committed when it returns, rolled back when it throws.
   *
   * When this returns, the commit is as durable as the database was told to make it. A wait for a standby that somebody
   * cancelled is a failure here, though PostgreSQL only warns of it: the change is on the primary's disk and may be lost with
   * it. Throws DatabaseFault for that, and for connections that break; the caller cannot know then whether it was kept.
   */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.run(async (tx) => {
      const result = await work(tx);
      return () => Promise.resolve(result);
    });
  }

  /**
   * As {@link transaction}, without a wait before the COMMIT: it is sent behind the last statements of `work`, which has sent them
   * by then and returns what comes of them. When one of them fails, PostgreSQL commits nothing; so what must not be committed
   * has to fail there, and not in what is made of an answer.
   */
  transactionAhead<T>(work: (tx: Tx) => Promise<{ readonly rest: Promise<T> }>): Promise<T> {
    return this.run(async (tx) => {
      const { rest } = await work(tx);
      rest.catch(() => undefined); // looked at after the commit
      return () => rest;
    });
  }

  private async run<T>(work: (tx: Tx) => Promise<() => Promise<T>>): Promise<T> {
    const runner = this.source.createQueryRunner();
    const effects: (() => void)[] = [];
    let connection: WatchedConnection | undefined;
    let begun: Promise<void> | undefined;
    try {
      const client = (await runner.connect()) as Client;
      connection = new WatchedConnection(client);
      begun = runner.startTransaction();
      begun.catch(() => undefined); // what comes behind it fails as well
      await asSentBefore();
      this.open.set(runner.manager, { client, effects });
      const finish = await work(runner.manager as Tx);
      const [committed, finished] = await Promise.allSettled([
        connection.commit(
          () => runner.commitTransaction(),
          (processId) => this.query('SELECT pg_cancel_backend($1)', [processId]),
        ),
        finish(),
      ]);
      if (finished.status === 'rejected') throw finished.reason;
      if (committed.status === 'rejected') throw committed.reason;
      for (const effect of effects) effect();
      return finished.value;
    } catch (error) {
      await begun?.catch(() => undefined);
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw asDatabaseFault(error, connection?.isLost);
    } finally {
      connection?.leave();
      await runner.release();
    }
  }

  /** As {@link transaction}; the type of the result says that it was committed. */
  async commit<T extends object>(work: (tx: Tx) => Promise<T>): Promise<Committed<T>> {
    return (await this.transaction(work)) as Committed<T>;
  }

  /** As {@link commit}, for several results, some of which may have failed alone. */
  async commitEach<T extends object>(
    work: (tx: Tx) => Promise<readonly (T | Failed)[]>,
  ): Promise<readonly (Committed<T> | Failed)[]> {
    return (await this.transaction(work)) as readonly (Committed<T> | Failed)[];
  }

  /**
   * Runs `effect` after the transaction has committed and before {@link transaction} returns; never after a rollback.
   * For what lives in this process only, such as a cache: a crash in between loses it.
   */
  afterCommit(tx: Tx, effect: () => void): void {
    this.opened(tx).effects.push(effect);
  }

  /**
   * One statement of the transaction, as `tx.query` would run it, but parsed and planned once for each connection: for what runs
   * with every batch. `sql` is one of a few fixed texts, and names the columns that it returns: another replica may add
   * one while this connection lives. Rows come as node-postgres gives them. Of several that run at once each failure says
   * what was wrong with the first, whichever is noticed first.
   */
  async prepared<Row extends object>(tx: Tx, sql: string, parameters: readonly unknown[]): Promise<Row[]> {
    return this.send<Row>(tx, sql, parameters, (error) => error);
  }

  /**
   * Lets the transaction fail in PostgreSQL, with an {@link Unmet}, unless `condition` holds: nothing is committed, though the
   * COMMIT may have been sent. `condition` is one of a few fixed texts of SQL; NULL does not hold.
   */
  async insist(tx: Tx, condition: string, parameters: readonly unknown[]): Promise<void> {
    const sql = `SELECT 1 / coalesce((${condition}), false)::int AS held`;
    await this.send(tx, sql, parameters, (error) => (codeOf(error) === DIVISION_BY_ZERO ? new Unmet(error) : error));
  }

  private async send<Row extends object>(
    tx: Tx,
    sql: string,
    parameters: readonly unknown[],
    explain: (error: unknown) => unknown,
  ): Promise<Row[]> {
    const opened = this.opened(tx);
    let name = this.names.get(sql);
    if (name === undefined) this.names.set(sql, (name = `margo_${this.names.size}`));
    try {
      const { rows } = await opened.client.query<Row>({ name, text: sql, values: [...parameters] });
      return rows;
    } catch (error) {
      if (codeOf(error) === IN_FAILED_TRANSACTION) throw opened.failure ?? error;
      opened.failure = explain(error);
      throw opened.failure;
    }
  }

  private opened(tx: Tx): OpenTransaction {
    const found = this.open.get(tx);
    if (found === undefined) throw new Error('Not a transaction of this database.');
    return found;
  }

  /** For reading outside a transaction. */
  get manager(): EntityManager {
    return this.source.manager;
  }

  /** One read by SQL, outside any transaction. Rows come as node-postgres gives them: `bigint` columns are strings. */
  query<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return this.source.query<Row[]>(sql, [...parameters]).catch((error: unknown) => {
      throw asDatabaseFault(error);
    });
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}

/** Resolves when what has just been asked of TypeORM is on its way to the server: it waits for nothing but promises before. */
function asSentBefore(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** node-postgres below TypeORM, which passes on neither warnings nor the end of a connection. */
class WatchedConnection {
  isLost = false;
  private warning: string | undefined;
  private readonly onNotice = ({ code, message }: { code?: string | undefined; message?: string | undefined }) => {
    if (code !== undefined && WARNING.test(code)) this.warning = message ?? code;
  };
  private readonly onEnd = () => (this.isLost = true);

  constructor(private readonly client: Client) {
    client.on('end', this.onEnd);
    client.on('error', this.onEnd);
  }

  /**
   * Throws when PostgreSQL warns. When it does not come to an end it waits for a standby, and none of its time limits counts for
   * that: `cancel` ends it. The connection is closed then, so that a late cancel meets nobody else.
   */
  async commit(commit: () => Promise<void>, cancel: (processId: number | null) => Promise<unknown>): Promise<void> {
    this.client.on('notice', this.onNotice);
    let isCancelled = false;
    const timer = setTimeout(() => {
      isCancelled = true;
      cancel((this.client as Client & { processID: number | null }).processID).catch(() => this.client.end());
    }, COMMIT_WITHIN_MS);
    try {
      await commit();
    } finally {
      clearTimeout(timer);
      if (isCancelled) void this.client.end().catch(() => undefined);
    }
    if (this.warning === undefined) return;
    throw new DatabaseFault(
      'database/not-replicated',
      'No standby has confirmed the change in time, so it does not count. Ask again.',
      { cause: new Error(`PostgreSQL warned at the commit: ${this.warning}`) },
    );
  }

  leave(): void {
    this.client.off('end', this.onEnd);
    this.client.off('error', this.onEnd);
    this.client.off('notice', this.onNotice);
  }
}

const COMMIT_WITHIN_MS = 8_000;

/**
 * A commit has nothing else to warn of. `01000` is a wait for synchronous replication that was cancelled, `57P01` one that a
 * shutdown ended; the text depends on the server's language.
 */
const WARNING = /^(?:01...|57P01)$/;
