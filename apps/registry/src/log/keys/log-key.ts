import type { LogKeyPurpose } from '@margo-trust/auditor';
import { isInWindow, type KeyWindow } from '@margo-trust/tlog';

/** A key of a log, as its records say. The private half is in the key ring, if it is kept at all. */
export interface LogKey extends KeyWindow {
  readonly purpose: LogKeyPurpose;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** Where the record is that began it; absent for a key that the log was opened with. */
  readonly eventIndex?: bigint;
  readonly since: Date;
  readonly retiredAt?: Date;
  /** The checkpoint that the record is the last entry of, signed by the key before and by this one. Keys of checkpoints only. */
  readonly transition?: Uint8Array;
}

/** The keys of a log, oldest first, and what is asked of them. */
export class LogKeySet {
  private readonly keys: readonly LogKey[];

  constructor(keys: readonly LogKey[]) {
    this.keys = [...keys].sort((a, b) => Number(a.fromSize - b.fromSize));
  }

  /** Another text for other keys. */
  get version(): string {
    return this.keys.map(({ purpose, fromSize }) => `${purpose} ${fromSize}`).join(', ');
  }

  of(purpose: LogKeyPurpose): readonly LogKey[] {
    return this.keys.filter((key) => key.purpose === purpose);
  }

  /** The key that signs from now on. */
  current(purpose: LogKeyPurpose): LogKey {
    return this.only(purpose, this.findCurrent(purpose));
  }

  /** Undefined for the ML-DSA-44 key of a log that has none. */
  findCurrent(purpose: LogKeyPurpose): LogKey | undefined {
    return this.of(purpose).find(({ untilSize }) => untilSize === undefined);
  }

  /** The key that signs for a tree of that size. A record counts as of the tree that it is the last leaf of. */
  at(purpose: LogKeyPurpose, size: bigint): LogKey {
    return this.only(
      purpose,
      this.of(purpose).find((key) => isInWindow(key, size)),
    );
  }

  /**
   * What signs a tree of that size: the key that speaks for it, and before the first tree that its successor speaks for the successor too,
   * so that whoever knows the one learns the other.
   */
  signing(purpose: LogKeyPurpose, size: bigint): LogKey[] {
    return this.of(purpose).filter(
      (key) => isInWindow(key, size) || (key.eventIndex !== undefined && key.eventIndex + 1n === size),
    );
  }

  /** The key that signed at that time. */
  then(purpose: LogKeyPurpose, time: Date): LogKey {
    const key = this.of(purpose).find(({ retiredAt }) => retiredAt === undefined || time < retiredAt);
    return this.only(purpose, key);
  }

  private only(purpose: LogKeyPurpose, key: LogKey | undefined): LogKey {
    if (!key) throw new Error(`The log has no ${purpose} key.`);
    return key;
  }
}
