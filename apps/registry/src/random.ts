import { randomBytes } from 'node:crypto';

/** Unpredictable bytes: identifiers, serial numbers, request ids. Keys are made elsewhere (keys/). */
export abstract class Random {
  abstract bytes(length: number): Uint8Array;
}

export class SystemRandom extends Random {
  /** Drawn in advance, since asking the kernel costs more than the bytes. */
  private drawn = new Uint8Array();
  private at = 0;

  bytes(length: number): Uint8Array {
    if (length > DRAW_BYTES / 16) return new Uint8Array(randomBytes(length));
    if (this.at + length > this.drawn.length) [this.drawn, this.at] = [new Uint8Array(randomBytes(DRAW_BYTES)), 0];
    const bytes = this.drawn.slice(this.at, this.at + length);
    this.drawn.fill(0, this.at, (this.at += length));
    return bytes;
  }
}

const DRAW_BYTES = 4_096;
