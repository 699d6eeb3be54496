/** The largest head that somebody has seen. Without a root only the size is known. */
export interface SeenHead {
  readonly size: bigint;
  readonly root?: Uint8Array;
}

/**
 * Somebody outside the database who remembers how far the log had come: a file, the tile store, a witness, a mirror.
 * Trusted for nothing but a lower bound that our own key has signed: one that lies low weakens the latch, none can make the
 * log go on from a wrong head.
 */
export interface HighWater {
  /** Completes the sentence "… has seen". It reaches callers: no address, no secret. */
  readonly name: string;
  /** Undefined when it has seen nothing yet. Throws when it cannot be asked; what it said before counts until then. */
  load(): Promise<SeenHead | undefined>;
}
