import { areEqualBytes, concatBytes, encodeHex } from '@margo-trust/bytes';
import {
  findMapRecord,
  hashKey,
  IndexMap,
  IndexMapFault,
  keysOfFacts,
  keysOfRawLeaf,
  keysOfStatement,
  type IndexKey,
  type MapRecord,
} from '@margo-trust/index-map';
import type { Hash } from '@margo-trust/merkle';
import { CONTENT } from '@margo-trust/statement';
import { AuditorFault } from './fault.ts';
import type { CheckedRow } from './log-check.ts';

/**
 * Recomputes the index map of a log, and compares it with every root of it that the registry has put on record: what
 * complete answers rest on (docs/adr/0014-complete-answers.md). Throws `audit/wrong-index` at the first that differs.
 *
 * Rows must come from a `LogCheck` over the same log, all of them, from the first one on. About 90 bytes of memory for each
 * key, and some 150 for each entry since the last recorded root.
 */
export class IndexCheck {
  private readonly map = new IndexMap();
  /** Leaf hash and places of the keys of each entry that no recorded root has covered yet. */
  private pending: Uint8Array[] = [];
  /** Entries in the map. */
  private size = 0n;
  private recorded = 0;
  private covered = 0n;

  /** How many recorded roots held, and how many entries the last of them covers. */
  get report(): { readonly roots: number; readonly covered: bigint } {
    return { roots: this.recorded, covered: this.covered };
  }

  add(rows: readonly CheckedRow[]): void {
    for (const checked of rows) {
      const record = recordOf(checked);
      if (record) this.compare(record, checked.index);
      this.pending.push(concatBytes(checked.leafHash, ...keysOf(checked).map(hashKey)));
    }
  }

  private compare({ size, root }: MapRecord, index: bigint): void {
    if (size < this.size || size > index) {
      throw found(index, `The index on record at entry ${index} is of ${size} entries, out of order.`);
    }
    const covered = this.pending.splice(0, Number(size - this.size));
    for (const packed of covered) {
      const [leaf, ...keys] = hashesOf(packed);
      if (leaf) this.map.addPlaced(this.size, leaf, keys);
      this.size += 1n;
    }
    const computed = this.map.root();
    if (!areEqualBytes(computed, root)) {
      const sides = `${encodeHex(root)}; the entries lead to ${encodeHex(computed)}`;
      throw found(index, `The index on record at entry ${index}, of ${size} entries, has the root ${sides}.`);
    }
    this.recorded += 1;
    this.covered = size;
  }
}

function recordOf({ statement, index }: CheckedRow): MapRecord | undefined {
  if (statement?.contentType !== CONTENT.record) return undefined;
  try {
    return findMapRecord(statement.payload);
  } catch (cause) {
    if (cause instanceof IndexMapFault) throw found(index, `The record at entry ${index}: ${cause.message}`);
    throw cause;
  }
}

function keysOf({ row, leaf }: CheckedRow): IndexKey[] {
  if (row.kind === 'raw') return keysOfRawLeaf(leaf);
  if (row.body) return keysOfStatement(row.body);
  const { mentions, ...facts } = row;
  return keysOfFacts({ ...facts, digests: mentions });
}

function hashesOf(packed: Uint8Array): Hash[] {
  return Array.from({ length: packed.length / 32 }, (_, i) => packed.slice(i * 32, i * 32 + 32));
}

function found(index: bigint, message: string): AuditorFault {
  return new AuditorFault('audit/wrong-index', message, { index });
}
