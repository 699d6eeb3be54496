/** `burst` at once, and `perSecond` in the long run. Both above 0. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/**
 * Token buckets by key, each kept as one number: the time at which the bucket will be full again (the generic cell rate
 * algorithm, ITU-T I.371). Times are milliseconds on any clock that never steps back.
 *
 * At most `maxKeys` are kept; the one that was asked for longest ago makes room. So memory is bounded, and whoever has more
 * addresses than that many has more tokens too.
 */
export class TokenBuckets {
  private readonly fullAt = new Map<string, number>();
  private readonly maxKeys: number;

  constructor(maxKeys: number) {
    this.maxKeys = maxKeys;
  }

  /** Takes a token of the key's bucket: 0, or, when there is none, the milliseconds until there will be one. */
  take(key: string, { perSecond, burst }: Rate, now: number): number {
    const interval = 1_000 / perSecond;
    const next = Math.max(this.fullAt.get(key) ?? 0, now) + interval;
    const wait = next - now - burst * interval;
    if (wait > 1e-6) return wait; // sums of intervals are not exact
    this.fullAt.delete(key); // to the end of the row
    if (this.fullAt.size >= this.maxKeys) this.fullAt.delete(this.fullAt.keys().next().value ?? '');
    this.fullAt.set(key, next);
    return 0;
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.fullAt.size;
  }
}
