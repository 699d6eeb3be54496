import { encodeHex, parseHex, parseJson } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import type { Hash } from '@margo-trust/merkle';
import { IndexMapFault } from './fault.ts';

/** What the registry puts on record of its map. */
export interface MapRecord {
  /** Entries of the log that the map is made of: those below this index. */
  readonly size: bigint;
  readonly root: Hash;
}

/** The members of the record's payload that are not every record's (docs/formats.md, "Records"). */
export function describeMapRecord({ size, root }: MapRecord): { record: string; size: string; root: string } {
  return { record: 'index-map', size: size.toString(), root: encodeHex(root) };
}

/** Reads the payload of a record; undefined when the record is of another kind. `index/bad-record` when it is malformed. */
export function findMapRecord(payload: Uint8Array): MapRecord | undefined {
  try {
    const value = parseJson(payload, { maxBytes: 2 << 20, maxDepth: 32 });
    if (typeof value !== 'object' || value === null) return undefined;
    const { record, size, root } = value as Record<string, unknown>;
    if (record !== 'index-map') return undefined;
    if (typeof size === 'string' && /^(0|[1-9]\d{0,18})$/.test(size) && typeof root === 'string') {
      if (/^[0-9a-f]{64}$/.test(root)) return { size: BigInt(size), root: parseHex(root) };
    }
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    return undefined;
  }
  throw new IndexMapFault('index/bad-record', 'The record of the map does not say its size and its root.');
}
