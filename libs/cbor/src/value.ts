/**
 * What CBOR can say here (RFC 8949 §3): integers as number, or as bigint beyond ±(2^53 − 1); byte and text strings;
 * arrays; maps; tags, which are never interpreted; floats; and the simple values false, true, null and undefined.
 */
export type CborValue =
  | number
  | bigint
  | string
  | boolean
  | null
  | undefined
  | Uint8Array
  | readonly CborValue[]
  | CborMap
  | CborTag
  | CborFloat;

/** Any key order. Keys that are not primitive are compared by encoding, not by `Map.get`. */
export type CborMap = ReadonlyMap<CborValue, CborValue>;

/** A tagged value (RFC 8949 §3.4). `tag` is at most 2^53 − 1. */
export class CborTag {
  readonly tag: number;
  readonly value: CborValue;

  constructor(tag: number, value: CborValue) {
    this.tag = tag;
    this.value = value;
  }
}

/** A floating-point number: a class of its own, because 1.0 and 1 are different data in CBOR. */
export class CborFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

export function isCborMap(value: unknown): value is CborMap {
  return value instanceof Map;
}
