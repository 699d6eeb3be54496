import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openTestDatabase } from '../../../test/database.ts';
import { Db } from './db/db.ts';
import { DurabilityLost } from './log/tiles/tile-store.ts';
import { type Job, Worker } from './worker.ts';

const always = () => Promise.resolve(true);
const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

describe('the worker', () => {
  let source: DataSource;
  let db: Db;
  const workers: Worker[] = [];
  const start = (jobs: Job[]): Worker => {
    const worker = new Worker(db, jobs);
    workers.push(worker);
    worker.start();
    return worker;
  };

  beforeAll(async () => {
    source = await openTestDatabase();
    db = new Db(source);
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));
    vi.restoreAllMocks();
  });
  afterAll(() => source.destroy());

  it('does what is due, and leaves the rest', async () => {
    const run = vi.fn(() => Promise.resolve());
    const rest = vi.fn(() => Promise.resolve());
    start([
      { name: 'due', lock: 1, isDue: always, run },
      { name: 'not due', lock: 2, isDue: () => Promise.resolve(false), run: rest },
    ]);
    await vi.waitFor(() => expect(run.mock.calls.length).toBeGreaterThanOrEqual(2), { timeout: 5_000 });
    expect(rest).not.toHaveBeenCalled();
  });

  it('reports a job that fails, goes on with the others, and tries again', async () => {
    const error = vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    const fail = vi.fn(() => Promise.reject(new Error('No disk.')));
    const run = vi.fn(() => Promise.resolve());
    start([
      { name: 'broken', lock: 1, isDue: fail, run },
      { name: 'failing', lock: 2, isDue: always, run: fail },
      { name: 'sound', lock: 3, isDue: always, run },
    ]);
    await vi.waitFor(() => expect(run.mock.calls.length).toBeGreaterThanOrEqual(2), { timeout: 5_000 });
    expect(fail.mock.calls.length).toBeGreaterThanOrEqual(4);
    expect(error).toHaveBeenCalledTimes(2); // once for each job, not for each second
  });

  it('tries nothing again when a disk did not confirm a write, and has the process ended', async () => {
    vi.spyOn(Logger.prototype, 'fatal').mockReturnValue();
    const run = vi.fn(() => Promise.reject(new DurabilityLost('The disk did not take tile/0/000.')));
    const next = vi.fn(() => Promise.resolve());
    const onLost = vi.fn();
    const jobs = [
      { name: 'tiles', lock: 1, isDue: always, run },
      { name: 'next', lock: 2, isDue: always, run: next },
    ];
    const worker = new Worker(db, jobs, onLost);
    workers.push(worker);
    worker.start();
    await vi.waitFor(() => expect(onLost).toHaveBeenCalledWith(expect.stringContaining('tile/0/000')));
    await worker.stop();
    expect(run).toHaveBeenCalledTimes(1);
    expect(next).not.toHaveBeenCalled();
  });

  it('does not do a job that another worker is doing', async () => {
    let running = 0;
    let most = 0;
    let runs = 0;
    const run = async () => {
      runs += 1;
      most = Math.max(most, ++running);
      await pause(300);
      running -= 1;
    };
    for (let i = 0; i < 4; i += 1) start([{ name: 'alone', lock: 9, isDue: always, run }]);
    await vi.waitFor(() => expect(runs).toBeGreaterThanOrEqual(3), { timeout: 5_000 });
    expect(most).toBe(1);
  });

  it('goes on with a long job alone, but one that stands still loses it to another', async () => {
    vi.spyOn(Logger.prototype, 'error').mockReturnValue();
    const STANDS_STILL_MS = 2_000; // a busy machine may keep a sign of life back for a while
    let running = 0;
    let most = 0;
    const run = async () => {
      most = Math.max(most, ++running);
      await pause(2 * STANDS_STILL_MS);
      running -= 1;
    };
    const begin = () => {
      const job = { name: 'long', lock: 21, isDue: always, run };
      const worker = new Worker(db, [job], undefined, STANDS_STILL_MS);
      workers.push(worker);
      worker.start();
    };
    begin();
    await pause(100);
    begin();
    await pause(1.5 * STANDS_STILL_MS);
    expect([running, most]).toEqual([1, 1]);
    await Promise.all(workers.splice(0).map((worker) => worker.stop()));

    // A process that stands still gives no sign of life.
    most = 0;
    vi.spyOn(globalThis, 'setInterval').mockReturnValue(undefined as never);
    begin();
    await pause(100);
    begin();
    await vi.waitFor(() => expect(most).toBe(2), { timeout: 15_000 });
  });

  it('finishes the job under way when it is stopped, and begins no other', async () => {
    let isFinished = false;
    const begun = vi.fn();
    const next = vi.fn(() => Promise.resolve());
    const run = async () => {
      begun();
      await pause(200);
      isFinished = true;
    };
    const worker = start([
      { name: 'slow', lock: 1, isDue: always, run },
      { name: 'next', lock: 2, isDue: always, run: next },
    ]);
    await vi.waitFor(() => expect(begun).toHaveBeenCalled());
    await worker.stop();
    expect(isFinished).toBe(true);
    expect(next).not.toHaveBeenCalled();
    await pause(1_200);
    expect(begun).toHaveBeenCalledTimes(1);
  });
});
