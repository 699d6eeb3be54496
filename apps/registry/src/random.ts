import { randomBytes } from 'node:crypto';

/** Unpredictable bytes: identifiers, serial numbers, request ids. Keys are made elsewhere (keys/). */
export abstract class Random {
  abstract bytes(length: number): Uint8Array;
}

export class SystemRandom extends Random {
  bytes(length: number): Uint8Array {
    return Uint8Array.from(randomBytes(length));
  }
}
