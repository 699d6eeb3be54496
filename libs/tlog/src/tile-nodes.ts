import { hashChildren, type Hash } from '@margo-trust/merkle';
import { fullNodes, hashesForInclusion, type TreeNode } from './nodes.ts';
import { FULL_WIDTH, type TileRef } from './tile.ts';
import { TlogFault } from './fault.ts';

/** Where the hash of a full subtree is: in which tile, how high above its leaves, and which one from the left. */
export interface NodePlace {
  readonly tile: TileRef;
  readonly height: number;
  readonly position: number;
}

/**
 * A tile with the hashes of all full subtrees in it, for whoever proves many leaves: the 255 hashes are computed once, and a
 * path is look-ups from then on. Takes 16 kB.
 */
export class TileNodes {
  readonly width: number;
  /** Height by height, leaves first, each with room for what a full tile has there. */
  private readonly bytes = new Uint8Array(2 * FULL_WIDTH * HASH_BYTES);

  /** `tile` is 1 to 256 hashes, as {@link LoadTile} gives them. */
  constructor(tile: Uint8Array) {
    this.width = tile.length / HASH_BYTES;
    if (!Number.isInteger(this.width) || this.width < 1 || this.width > FULL_WIDTH) {
      throw new TlogFault('tlog/bad-tile', `A tile doesn't have ${tile.length} bytes.`);
    }
    this.bytes.set(tile);
    for (let height = 1; this.width >> height > 0; height += 1) {
      for (let position = 0; position < this.width >> height; position += 1) {
        const hash = hashChildren(this.at(height - 1, 2 * position), this.at(height - 1, 2 * position + 1));
        this.bytes.set(hash, offsetOf(height, position));
      }
    }
  }

  /** The root of the subtree over the 2^`height` hashes that begin with number `position` · 2^`height`. */
  node(height: number, position: number): Hash {
    if (height < 0 || position < 0 || position >= this.width >> height) {
      throw new TlogFault('tlog/bad-tile', `A tile of ${this.width} hashes has no such node.`);
    }
    return this.at(height, position);
  }

  private at(height: number, position: number): Hash {
    const offset = offsetOf(height, position);
    return this.bytes.subarray(offset, offset + HASH_BYTES);
  }
}

/**
 * For each hash of the inclusion path of leaf `index` in the tree of `size` leaves, where it is found: in one place, or at the
 * right edge in several, left to right, whose hashes are folded from the right (RFC 9162 §2.1.3.1).
 */
export function placesForInclusion(index: bigint, size: bigint): NodePlace[][] {
  return hashesForInclusion(index, size).map((node) => fullNodes(node, size).map((full) => placeOf(full, size)));
}

/** The path that `places` describe, out of tiles that are at least as wide as asked for. */
export function inclusionFromNodes(
  places: readonly (readonly NodePlace[])[],
  load: (tile: TileRef) => TileNodes,
): Hash[] {
  return places.map((parts) =>
    parts
      .map(({ tile, height, position }) => load(tile).node(height, position))
      .reduceRight((right, left) => hashChildren(left, right)),
  );
}

function placeOf(node: TreeNode, size: bigint): NodePlace {
  const level = Math.floor(node.level / 8);
  const height = node.level % 8;
  const first = node.index << BigInt(height);
  const index = first >> 8n;
  const hashes = (size >> BigInt(8 * level)) - (index << 8n);
  const width = hashes < FULL_WIDTH ? Number(hashes) : FULL_WIDTH;
  return { tile: { level, index, width }, height, position: Number(first & 255n) >> height };
}

/** In bytes. Heights 0, 1, 2 … have room for 256, 128, 64 … hashes. */
function offsetOf(height: number, position: number): number {
  return (2 * FULL_WIDTH - ((2 * FULL_WIDTH) >> height) + position) * HASH_BYTES;
}

const HASH_BYTES = 32;
