/** In place of a result: why this one item failed, while others of its batch did not. */
export class Failed {
  constructor(readonly error: unknown) {}
}

/** Runs `work` and keeps what it throws. */
export async function attempt<T>(work: () => Promise<T>): Promise<T | Failed> {
  try {
    return await work();
  } catch (error) {
    return new Failed(error);
  }
}

/**
 * Does together what arrives meanwhile: while one batch is worked on, the next one gathers. Alone one does not wait; in a crowd
 * a transaction serves all. One batch at a time, in the order of arrival.
 *
 * `work` answers for each item in its place; when it throws, all of the batch fail.
 */
export class Batches<Item, Result> {
  private waiting: { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void }[] = [];
  private working: Promise<void> | undefined;
  private readonly work: (items: readonly Item[]) => Promise<readonly (Result | Failed)[]>;
  private readonly most: number;

  constructor(work: (items: readonly Item[]) => Promise<readonly (Result | Failed)[]>, most: number) {
    [this.work, this.most] = [work, most];
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      this.working ??= this.workOff().finally(() => (this.working = undefined));
    });
  }

  private async workOff(): Promise<void> {
    await Promise.resolve(); // what arrives in the same turn belongs together
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, this.most);
      const results = await attempt(() => this.work(batch.map(({ item }) => item)));
      batch.forEach(({ resolve, reject }, i) => {
        const result = results instanceof Failed ? results : results[i];
        if (result instanceof Failed) reject(result.error);
        else resolve(result as Result);
      });
    }
  }
}
