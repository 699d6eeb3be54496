import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';
import { FixedClock } from '../../clock.ts';
import { ClockGuard, MAX_DRIFT_MS } from './clock-guard.ts';
import { StampMarkStore } from './stamp-mark.store.ts';

let registry: TestRegistry;
let mark: StampMarkStore;
const clock = new FixedClock(new Date());

beforeAll(async () => {
  registry = await startTestRegistry({ clock });
  mark = registry.app.get(StampMarkStore);
});
afterAll(() => registry?.close());
beforeEach(async () => {
  clock.moveTo(new Date());
  await registry.source.query('DELETE FROM stamp_mark');
});

/** A process that has just started. */
const start = () => new ClockGuard(clock, mark);
const move = (ms: number) => clock.moveTo(new Date(Date.now() + ms));

describe('the clock', () => {
  it('is told in whole seconds', async () => {
    move(0);
    const now = clock.now().getTime();
    expect(await start().tell()).toEqual(new Date(now - (now % 1_000)));
  });

  it.each([-1, 1])('is not believed when it is far from the database, in direction %i', async (direction) => {
    const guard = start();
    move(direction * (MAX_DRIFT_MS + 1_000));
    expect(await guard.tell()).toMatch(/differ by [23]\.\d seconds/);
    expect(await guard.doubt()).toMatch(/differ/);
    move(0);
    expect(await guard.tell()).toBeInstanceOf(Date);
    expect(await guard.doubt()).toBeUndefined();
  });

  it('is seen when it is set while the last comparison is still good', async () => {
    const guard = start();
    expect(await guard.tell()).toBeInstanceOf(Date);
    move(MAX_DRIFT_MS + 1_000);
    expect(await guard.tell()).toMatch(/differ/);
  });

  it('is not believed behind a time that was told', async () => {
    const guard = start();
    move(1_500);
    expect(await guard.tell()).toBeInstanceOf(Date);
    move(0);
    expect(await guard.tell()).toMatch(/set back behind/);
    move(1_500);
    expect(await guard.tell()).toBeInstanceOf(Date);
  });

  it('is told on behind another replica that is a little ahead', async () => {
    await mark.raise(new Date(Date.now() + 2 * MAX_DRIFT_MS - 500));
    expect(await start().tell()).toBeInstanceOf(Date);
  });

  it('is not believed after it was set back while nothing ran, the database with it', async () => {
    await mark.raise(new Date(Date.now() + 3_600_000));
    expect(await start().tell()).toMatch(/3\d{3} seconds behind a time that was stamped before/);
  });
});

describe('what was told', () => {
  it('is put down within about a second, and the mark never goes back', async () => {
    const guard = start();
    const told = await guard.tell();
    await expect.poll(async () => (await guard.doubt(), (await mark.read()).latest), { timeout: 20_000 }).toEqual(told);
    await mark.raise(new Date(0));
    expect((await mark.read()).latest).toEqual(told);
  });
});

it('asks the database once for all who wait', async () => {
  let asked = 0;
  const counting = {
    read: () => ((asked += 1), mark.read()),
    raise: (latest: Date) => mark.raise(latest),
  } as StampMarkStore;
  const guard = new ClockGuard(clock, counting);
  const times = await Promise.all(Array.from({ length: 50 }, () => guard.tell()));
  expect(new Set(times.map(String)).size).toBe(1);
  expect(asked).toBe(1);
});
