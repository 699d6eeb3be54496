import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestDatabase } from '../../../../test/database.ts';
import { numberArray, textArray } from './array-literal.ts';

let source: DataSource;
beforeAll(async () => {
  source = await openTestDatabase();
});
afterAll(() => source.destroy());

it.each([
  [[]],
  [['a', 'B c', '']],
  [['null', 'NULL', null]],
  [['{}', ',', '"', '\\', '\\"', "'", '\n', '\t', 'ä𝄞', '$1']],
])('text of %j arrives as it was sent', async (values) => {
  expect(await source.query('SELECT $1::text[] AS arrived', [textArray(values)])).toEqual([{ arrived: values }]);
});

it.each([[[]], [[0, -1, 2_147_483_647]], [[1, null, 3]]])('numbers %j arrive as they were sent', async (values) => {
  expect(await source.query('SELECT $1::int[] AS arrived', [numberArray(values)])).toEqual([{ arrived: values }]);
});

it('numbers may be larger than what JavaScript counts with', async () => {
  const sent = numberArray(['-9223372036854775808', 9_223_372_036_854_775_807n]);
  expect(await source.query('SELECT $1::bigint[] AS arrived', [sent])).toEqual([
    { arrived: ['-9223372036854775808', '9223372036854775807'] },
  ]);
});
