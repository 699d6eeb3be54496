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
 * a transaction serves all. One batch at a time, in the order of arrival, or as many as `lanes` says, for what only reads: then one
 * that hangs does not stop the others.
 *
 * `work` answers for each item in its place; when it throws, all of the batch fail. It begins after its items were added.
 */
export class Batches<Item, Result> {
  private waiting: { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void }[] = [];
  private working = 0;
  private readonly work: (items: readonly Item[]) => Promise<readonly (Result | Failed)[]>;
  private readonly most: number;
  private readonly lanes: number;

  constructor(work: (items: readonly Item[]) => Promise<readonly (Result | Failed)[]>, most: number, lanes = 1) {
    [this.work, this.most, this.lanes] = [work, most, lanes];
  }

  add(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (this.working === this.lanes) return;
      this.working += 1;
      void this.workOff();
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
    this.working -= 1; // at once: who is answered now may ask again in the same turn
  }
}
