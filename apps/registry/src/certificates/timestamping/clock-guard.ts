import { Injectable } from '@nestjs/common';
import { Clock } from '../../clock.ts';
import { wholeSeconds } from '../../wire-time.ts';
import { StampMarkStore } from './stamp-mark.store.ts';

/** How far this host's clock may be from the database's, in milliseconds. */
export const MAX_DRIFT_MS = 2_000;

/** A comparison with the database's clock is good for so long. Half way through, the next one is begun. */
const COMPARED_FOR_MS = 2_000;

/** Between two looks the wall clock may gain or lose so much on the steady one before both are compared anew. */
const MAX_STEP_MS = 250;

/** Two replicas may differ from each other by as much as both may from the database, and seconds are cut. */
const MAX_BETWEEN_REPLICAS_MS = 2 * MAX_DRIFT_MS + 1_000;

interface Comparison {
  readonly wall: number;
  /** Of the clock that nobody can set, in milliseconds. */
  readonly steady: number;
  /** Why this host's clock was not to be believed then. */
  readonly doubt: string | undefined;
}

/**
 * Tells the time to whoever vouches for it, or says why not. No stamp is better than a wrong one.
 *
 * It believes this host's clock while that agrees with the database's within two seconds, keeps pace with the host's steady
 * clock, and is behind no time that this process has told. What was told is also put down in the database, within about a
 * second; so a clock that was set back while nothing ran, the database's with it, is seen as well.
 */
@Injectable()
export class ClockGuard {
  private compared: Comparison | undefined;
  private comparing: Promise<Comparison> | undefined;
  /** The latest time told here, and how much of it the database knows. */
  private told = 0;
  private marked = 0;
  private isPutting = false;

  constructor(
    private readonly clock: Clock,
    private readonly mark: StampMarkStore,
  ) {}

  /** Now, in whole seconds; or one sentence on why nobody should believe it. */
  async tell(): Promise<Date | string> {
    const doubt = await this.doubt();
    if (doubt !== undefined) return doubt;
    const time = wholeSeconds(this.clock.now());
    if (time.getTime() < this.told) return 'The clock of this host has been set back behind a time that was stamped.';
    this.told = time.getTime();
    return time;
  }

  /** Why the clock is not to be believed now, if so. */
  async doubt(): Promise<string | undefined> {
    const age = this.compared ? performance.now() - this.compared.steady : Infinity;
    if (this.compared === undefined || age > COMPARED_FOR_MS || this.hasStepped(this.compared, age)) {
      this.compared = await this.compare();
    } else if (age > COMPARED_FOR_MS / 2) {
      // A failure shows when the old comparison is used up.
      this.compare().then(
        (comparison) => (this.compared = comparison),
        () => undefined,
      );
    }
    return this.compared.doubt;
  }

  private hasStepped({ wall }: Comparison, age: number): boolean {
    return Math.abs(this.clock.now().getTime() - wall - age) > MAX_STEP_MS;
  }

  /** All who wait share one question to the database. */
  private compare(): Promise<Comparison> {
    this.comparing ??= this.compareNow().finally(() => (this.comparing = undefined));
    return this.comparing;
  }

  private async compareNow(): Promise<Comparison> {
    this.putDown();
    const asked = performance.now();
    const { now: reference, latest } = await this.mark.read();
    const steady = performance.now();
    const wall = this.clock.now().getTime();
    // The answer was given at some moment of the way there and back.
    const ahead = wall - reference.getTime();
    const drift = ahead > 0 ? Math.max(0, ahead - (steady - asked)) : -ahead;
    return { wall, steady, doubt: judge(drift, wall, latest) };
  }

  /** Nobody waits for it: the mark may be a little late, and a database that takes no writes must not stop the stamps. */
  private putDown(): void {
    const { told } = this;
    if (told <= this.marked || this.isPutting) return;
    this.isPutting = true;
    this.mark
      .raise(new Date(told))
      .then(
        () => (this.marked = told),
        () => undefined,
      )
      .finally(() => (this.isPutting = false));
  }
}

function judge(drift: number, wall: number, latest: Date | undefined): string | undefined {
  if (drift > MAX_DRIFT_MS) {
    return `The clock of this host and that of the database differ by ${(drift / 1_000).toFixed(1)} seconds.`;
  }
  const behind = latest === undefined ? 0 : latest.getTime() - wall;
  if (behind > MAX_BETWEEN_REPLICAS_MS) {
    return `The clock is ${Math.ceil(behind / 1_000)} seconds behind a time that was stamped before: it has been set back.`;
  }
  return undefined;
}
