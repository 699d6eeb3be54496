import { encodeBase64 } from '@margo-trust/bytes';
import type { Hash } from '@margo-trust/merkle';
import { TlogFault } from './fault.ts';
import { findDecimal, findHash } from './lines.ts';

/** What a log says about its tree (C2SP tlog-checkpoint). */
export interface Checkpoint {
  /** Names the log. Without line feed. */
  origin: string;
  /** Number of leaves. */
  size: bigint;
  root: Hash;
  /** Further lines, opaque and rarely used: neither monitors nor ML-DSA cosigners look at them. */
  extensions: string[];
}

/** The text of the note that a log signs: lines with a line feed each (C2SP tlog-checkpoint, "Note text"). */
export function encodeCheckpoint({ origin, size, root, extensions }: Checkpoint): string {
  const lines = [origin, size.toString(), encodeBase64(root), ...extensions];
  if (
    lines.some((line) => line === '' || line.includes('\n')) ||
    root.length !== 32 ||
    size < 0n ||
    size >= 1n << 64n
  ) {
    throw new TlogFault('tlog/bad-checkpoint', 'Not expressible as a checkpoint.');
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** Reads a note's text. It proves nothing before {@link verifyNote} found the log's signature over the same text. */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split('\n');
  const [origin, sizeText, rootText, ...rest] = lines.slice(0, -1);
  const size = findDecimal(sizeText ?? '');
  const root = findHash(rootText ?? '');
  if (lines.at(-1) !== '' || !origin || size === undefined || !root || rest.includes('')) {
    throw new TlogFault('tlog/bad-checkpoint', 'Expected the lines origin, tree size and tree root, then extensions.');
  }
  return { origin, size, root, extensions: rest };
}
