import { Injectable } from '@nestjs/common';
import { areEqualBytes } from '@margo-trust/bytes';
import { type Hash, hashLeaf } from '@margo-trust/merkle';
import {
  bundlePath,
  type BundleRef,
  fullTilesAdded,
  hashesForRoot,
  parseEntryBundle,
  partialTiles,
  rootFromTiles,
  rootOfTile,
  tilePath,
  type TileRef,
  tilesForNodes,
  widthOfTile,
} from '@margo-trust/tlog';
import { LogReader } from '../log.reader.ts';
import type { StoredFile } from './tile-store.ts';

const TILE_WIDTH = 256;
const HASH_BYTES = 32;

/**
 * The log's tiles on their way out of the database, each held against the tree it belongs to. A bit that flipped in a row is found
 * here, before anybody outside sees it: entries must hash to their leaf tile, a full tile to its place in the tile
 * above, and what is left at the right edge to the committed root.
 */
@Injectable()
export class CheckedTiles {
  constructor(private readonly reader: LogReader) {}

  /** Throws unless the tiles at the right edge of the tree lead to this root. */
  async refuseOtherRoot(size: bigint, root: Hash): Promise<void> {
    const tiles = new Map<string, Uint8Array>();
    for (const ref of tilesForNodes(hashesForRoot(size), size)) tiles.set(tilePath(ref), await this.tile(ref));
    const computed = rootFromTiles(size, (ref) => {
      const tile = tiles.get(tilePath(ref));
      if (!tile) throw new Error(`Tile ${tilePath(ref)} was not asked for.`);
      return tile;
    });
    if (!areEqualBytes(computed, root)) throw new Error(`The tiles of ${size} leaves do not lead to the tree root.`);
  }

  /** The full bundles and tiles that lead from a tree of `from` to one of `to` leaves, as part of the tree of `size`. */
  async *full(from: bigint, to: bigint, size: bigint): AsyncGenerator<StoredFile> {
    for (const ref of fullTilesAdded(from, to)) yield await this.checked(ref, size);
  }

  /** The partial bundle and tiles of the tree of `size` leaves, but for those that the tree of `known` had already. */
  async *partial(known: bigint, size: bigint): AsyncGenerator<StoredFile> {
    const before = new Set([...partialTiles(known)].map(pathOf));
    for (const ref of partialTiles(size)) {
      if (!before.has(pathOf(ref))) yield await this.checked(ref, size);
    }
  }

  private async checked(ref: BundleRef | TileRef, size: bigint): Promise<StoredFile> {
    const path = pathOf(ref);
    if ('bundle' in ref) {
      const bytes = await this.reader.findBundle(ref.index, ref.width);
      if (!bytes) throw missing(path);
      const leaves = parseEntryBundle(bytes).map(hashLeaf);
      const tile = await this.tile({ level: 0, index: ref.index, width: ref.width });
      if (leaves.some((leaf, i) => !areEqualBytes(leaf, hashAt(tile, i)))) throw damaged(path);
      return { path, bytes };
    }
    const bytes = await this.tile(ref);
    if (ref.width === TILE_WIDTH) {
      const [level, index] = [ref.level + 1, ref.index >> 8n];
      const above = await this.tile({ level, index, width: widthOfTile(level, index, size) });
      if (!areEqualBytes(rootOfTile(bytes), hashAt(above, Number(ref.index & 255n)))) throw damaged(path);
    }
    return { path, bytes };
  }

  private async tile(ref: TileRef): Promise<Uint8Array> {
    const tile = await this.reader.findTile(ref);
    if (tile?.length !== ref.width * HASH_BYTES) throw missing(tilePath(ref));
    return tile;
  }
}

function pathOf(ref: BundleRef | TileRef): string {
  return 'bundle' in ref ? bundlePath(ref.index, ref.width) : tilePath(ref);
}

function hashAt(tile: Uint8Array, position: number): Hash {
  return tile.subarray(position * HASH_BYTES, (position + 1) * HASH_BYTES);
}

function missing(path: string): Error {
  return new Error(`${path} of a committed tree is missing.`);
}

function damaged(path: string): Error {
  return new Error(`${path} does not belong to the committed tree: a row was changed.`);
}
