import { concatBytes } from '@margo-trust/bytes';
import { appendLeaves, emptyRange, rootOfRange, type CompactRange, type Hash } from '@margo-trust/merkle';
import { nodeFromTiles, type LoadTile, type TileRef } from '@margo-trust/tlog';

/** A tile and its bytes. */
export interface Tile {
  readonly ref: TileRef;
  readonly bytes: Uint8Array;
}

const WIDTH = 256;

/** The tiles of a growing tree (C2SP tlog-tiles), from leaf hashes alone. Remembers at most 255 hashes a level. */
export class TileBuilder {
  private readonly levels: { index: bigint; hashes: Hash[] }[] = [];

  /** Goes on where a tree of `size` leaves ended; `loadTile` is asked for its partial tiles. */
  static at(size: bigint, loadTile: LoadTile): TileBuilder {
    const builder = new TileBuilder();
    for (let [level, count] = [0, size]; count > 0n; [level, count] = [level + 1, count >> 8n]) {
      const [index, width] = [count >> 8n, Number(count & 255n)];
      const bytes = width === 0 ? new Uint8Array() : loadTile({ level, index, width });
      builder.levels.push({ index, hashes: split(bytes, width) });
    }
    return builder;
  }

  /** Returns the tiles that these leaves filled, lower levels first. */
  add(leafHashes: readonly Hash[]): Tile[] {
    const full: Tile[] = [];
    for (const hash of leafHashes) this.push(0, hash, full);
    return full.sort((a, b) => a.ref.level - b.ref.level);
  }

  /** The partial tiles of the tree as it is now. */
  partial(): Tile[] {
    return this.levels.flatMap(({ index, hashes }, level) =>
      hashes.length === 0 ? [] : [{ ref: { level, index, width: hashes.length }, bytes: concatBytes(...hashes) }],
    );
  }

  private push(level: number, hash: Hash, full: Tile[]): void {
    const row = (this.levels[level] ??= { index: 0n, hashes: [] });
    row.hashes.push(hash);
    if (row.hashes.length < WIDTH) return;
    full.push({ ref: { level, index: row.index, width: WIDTH }, bytes: concatBytes(...row.hashes) });
    const root = rootOfRange(appendLeaves(emptyRange(), row.hashes));
    this.levels[level] = { index: row.index + 1n, hashes: [] };
    this.push(level + 1, root, full);
  }
}

/** The compact range of a tree of `size` leaves. Its root is to be compared with a signed one. */
export function rangeFromTiles(size: bigint, loadTile: LoadTile): CompactRange {
  const hashes: Hash[] = [];
  let start = 0n;
  for (let level = 63; level >= 0; level -= 1) {
    const width = 1n << BigInt(level);
    if ((size & width) === 0n) continue;
    hashes.push(nodeFromTiles(level, start >> BigInt(level), size, loadTile));
    start += width;
  }
  return { size, hashes };
}

function split(bytes: Uint8Array, width: number): Hash[] {
  return Array.from({ length: width }, (_, i) => bytes.slice(i * 32, i * 32 + 32));
}
