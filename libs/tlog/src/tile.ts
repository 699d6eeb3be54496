import { concatBytes } from '@margo-trust/bytes';
import { hashChildren, type Hash } from '@margo-trust/merkle';
import { TlogFault } from './fault.ts';

/** A tile of tree hashes (C2SP tlog-tiles, "Merkle Tree"). */
export interface TileRef {
  /** 0 for leaf hashes; each level stands for eight levels of the tree. At most 63. */
  level: number;
  /** Counts the tiles of one level from zero. */
  index: bigint;
  /** Number of hashes, 1 to 256; less than 256 for a partial tile. */
  width: number;
}

/** A bundle of entries, at most 256 (C2SP tlog-tiles, "Log entries"). */
export interface BundleRef {
  bundle: true;
  index: bigint;
  width: number;
}

export const FULL_WIDTH = 256;

/** The path below the log's prefix: `tile/0/x001/x234/067`, `tile/0/000.p/5`. */
export function tilePath({ level, index, width }: TileRef): string {
  if (!Number.isInteger(level) || level < 0 || level > 63) throw badPath();
  return `tile/${level}/${encodeTail(index, width)}`;
}

/** The path below the log's prefix: `tile/entries/x001/x234/067`, `tile/entries/000.p/5`. */
export function bundlePath(index: bigint, width: number): string {
  return `tile/entries/${encodeTail(index, width)}`;
}

/** Reads a path as {@link tilePath} and {@link bundlePath} write it; each tile has exactly one. */
export function parseTilePath(path: string): TileRef | BundleRef {
  const match = /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/){0,6}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/.exec(path);
  const [, level, digits, partial] = match ?? [];
  if (level === undefined || digits === undefined) throw badPath();
  const index = BigInt(digits.replace(/[x/]/g, ''));
  const width = partial === undefined ? FULL_WIDTH : Number(partial);
  const ref: TileRef | BundleRef =
    level === 'entries' ? { bundle: true, index, width } : { level: Number(level), index, width };
  // Refuses what would be a second spelling: superfluous groups, a full tile called partial, wide numbers.
  if (path !== ('bundle' in ref ? bundlePath(index, width) : tilePath(ref))) throw badPath();
  return ref;
}

/** Hashes number `from` to before `to` of a tile that has so many. */
export function tileHashes(bytes: Uint8Array, from: number, to: number): Hash[] {
  if (tileWidth(bytes) < to) {
    throw new TlogFault('tlog/bad-tile', `Expected a tile of at least ${to} hashes, not ${bytes.length} bytes.`);
  }
  return Array.from({ length: to - from }, (_, i) => bytes.slice((from + i) * HASH_BYTES, (from + i + 1) * HASH_BYTES));
}

export function encodeTile(hashes: readonly Hash[]): Uint8Array {
  return concatBytes(...hashes);
}

/** The root of a full subtree: `hashes` are a power of two many. */
export function rootOfFull(hashes: readonly Hash[]): Hash {
  let level = hashes;
  while (level.length > 1) {
    level = level.flatMap((left, i) => {
      const right = level[i + 1];
      return i % 2 === 0 && right ? [hashChildren(left, right)] : [];
    });
  }
  const [root] = level;
  if (!root) throw new Error('A subtree has leaves.');
  return root;
}

/** The root of a full tile, which is one hash of the level above. Other bytes are `tlog/bad-tile`. */
export function rootOfTile(tile: Uint8Array): Hash {
  return rootOfFull(tileHashes(tile, 0, FULL_WIDTH));
}

function tileWidth(bytes: Uint8Array): number {
  const width = bytes.length / HASH_BYTES;
  if (!Number.isInteger(width) || width < 1 || width > FULL_WIDTH) {
    throw new TlogFault('tlog/bad-tile', `A tile doesn't have ${bytes.length} bytes.`);
  }
  return width;
}

function encodeTail(index: bigint, width: number): string {
  if (!Number.isInteger(width) || width < 1 || width > FULL_WIDTH || index < 0n || index >= MAX_TILES) throw badPath();
  const digits = index.toString();
  const groups = digits.padStart(3 * Math.ceil(digits.length / 3), '0').match(/[0-9]{3}/g) ?? [];
  const last = groups.pop();
  const path = [...groups.map((group) => `x${group}`), last].join('/');
  return width === FULL_WIDTH ? path : `${path}.p/${width}`;
}

function badPath(): TlogFault {
  return new TlogFault('tlog/bad-path', 'No tile or entry bundle has this path.');
}

const HASH_BYTES = 32;
/** Trees have fewer than 2^64 leaves. */
const MAX_TILES = 1n << 56n;
