import { concatBytes } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { readWord } from './key.ts';

/** One Bloom filter of a cascade: `bits` bits at `offset` of `bytes`, of which each key sets `probes`. */
export interface Level {
  readonly bytes: Uint8Array;
  readonly offset: number;
  readonly bits: number;
  readonly probes: number;
  readonly seed: Seed;
}

export type Seed = readonly [number, number];

/** The first two words of SHA-256(salt ‖ level). Each level must scatter keys in a way of its own. */
export function seedOf(salt: Uint8Array, level: number): Seed {
  const digest = sha256(concatBytes(salt, Uint8Array.of(level)));
  return [readWord(digest, 0), readWord(digest, 4)];
}

/** Whether all bits of the key at `at` of `words` are set. */
export function isInLevel({ bytes, offset, bits, probes, seed }: Level, words: Uint32Array, at: number): boolean {
  const { start, stride } = scatter(words, at, seed);
  for (let probe = 0; probe < probes; probe += 1) {
    const bit = (start + probe * stride) % bits; // below 2^53, so exact
    if (((bytes[offset + Math.floor(bit / 8)] ?? 0) & (0x80 >>> (bit % 8))) === 0) return false;
  }
  return true;
}

export function addToLevel({ bytes, offset, bits, probes, seed }: Level, words: Uint32Array, at: number): void {
  const { start, stride } = scatter(words, at, seed);
  for (let probe = 0; probe < probes; probe += 1) {
    const bit = (start + probe * stride) % bits;
    const place = offset + Math.floor(bit / 8);
    bytes[place] = (bytes[place] ?? 0) | (0x80 >>> (bit % 8));
  }
}

/** Double hashing (Kirsch and Mitzenmacher, 2006): a start and an odd stride, from all four words of the key. */
function scatter(words: Uint32Array, at: number, [first, second]: Seed): { start: number; stride: number } {
  const start = mix((words[at] ?? 0) ^ mix((words[at + 2] ?? 0) ^ first));
  const stride = mix((words[at + 1] ?? 0) ^ mix((words[at + 3] ?? 0) ^ second));
  return { start: start >>> 0, stride: (stride | 1) >>> 0 };
}

/** The finalizer of MurmurHash3: each bit of the input moves half of the output. */
function mix(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
