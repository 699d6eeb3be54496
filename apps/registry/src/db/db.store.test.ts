import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase } from '../../../../test/database.ts';
import { Db, Unmet, type Tx } from './db.ts';

let source: DataSource;
let db: Db;

beforeAll(async () => {
  source = await openTestDatabase();
  db = new Db(source);
});
afterAll(() => source?.destroy());

const divide = (tx: Tx, by: number) => db.prepared<{ quotient: number }>(tx, 'SELECT 12 / $1::int AS quotient', [by]);

describe('prepared statements', () => {
  it('are kept for each connection and answer in any number at once', async () => {
    const rows = await db.transaction((tx) => Promise.all([1, 2, 3].map((by) => divide(tx, by))));
    expect(rows).toEqual([[{ quotient: 12 }], [{ quotient: 6 }], [{ quotient: 4 }]]);
  });

  it('say what was wrong with the first, when those behind it are refused for that', async () => {
    await db
      .transaction(async (tx) => {
        const outcomes = await Promise.allSettled([divide(tx, 1), divide(tx, 0), divide(tx, 2), divide(tx, 3)]);
        expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
        for (const outcome of outcomes.slice(1)) {
          expect(outcome).toMatchObject({ reason: { message: 'division by zero' } });
        }
        throw new Error('enough');
      })
      .catch((error: Error) => expect(error.message).toBe('enough'));
    expect(await db.transaction((tx) => divide(tx, 4))).toEqual([{ quotient: 3 }]);
  });
});

describe('a transaction', () => {
  const txid = (tx: Tx) => db.prepared<{ id: string }>(tx, 'SELECT txid_current()::text AS id', []);

  it('has begun before its first statement, which is sent without waiting', async () => {
    const [first, second] = await db.transaction(async (tx) => [await txid(tx), await txid(tx)]);
    expect(first).toEqual(second);
  });

  it('is committed behind its last statements, and not when one of them fails', async () => {
    await db.query('CREATE TABLE quotient (value int)');
    const keep = (tx: Tx, by: number) => db.prepared(tx, 'INSERT INTO quotient SELECT 12 / $1::int', [by]);
    const effects: number[] = [];
    const ahead = (...by: number[]) =>
      db.transactionAhead(async (tx) => {
        db.afterCommit(tx, () => effects.push(by.length));
        return { rest: Promise.all(by.map((one) => keep(tx, one))) };
      });
    await ahead(3, 4);
    await expect(ahead(6, 0, 2)).rejects.toMatchObject({ message: 'division by zero' });
    await ahead(12);
    expect(await db.query('SELECT value FROM quotient ORDER BY value')).toEqual([
      { value: 1 },
      { value: 3 },
      { value: 4 },
    ]);
    expect(effects).toEqual([2, 1]);
  });

  it('commits nothing when what it insists on does not hold, though its COMMIT was sent', async () => {
    await db.query('CREATE TABLE kept (value int)');
    const ahead = (condition: string, value: number) =>
      db.transactionAhead(async (tx) => ({
        rest: Promise.all([
          db.insist(tx, condition, [value]),
          db.prepared(tx, 'INSERT INTO kept VALUES ($1)', [value]),
        ]),
      }));
    for (const condition of ['$1::int > 5', 'SELECT NULL::bool WHERE $1::int = 0', 'SELECT true WHERE $1::int = 0']) {
      await expect(ahead(condition, 1)).rejects.toBeInstanceOf(Unmet);
    }
    await ahead('$1::int > 5', 6);
    expect(await db.query('SELECT value FROM kept')).toEqual([{ value: 6 }]);
    // What fails for a reason of its own is not taken for that.
    await expect(ahead('SELECT $1::int::text::date > now()', 1)).rejects.not.toBeInstanceOf(Unmet);
  });
});
