import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase } from '../../../../test/database.ts';
import { Db, type Tx } from './db.ts';

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
