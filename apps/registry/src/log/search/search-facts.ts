import { sha256 } from '@margo-trust/crypto';
import { encodeHex, encodeUtf8 } from '@margo-trust/bytes';

/** What can be asked of an entry. Members are combined: an entry is found when all hold. */
export interface EntryFacts {
  readonly vendorId?: string;
  readonly applicationId?: string;
  readonly version?: string;
  readonly contentType?: string;
  readonly certificate?: Uint8Array;
  readonly subject?: string;
}

/** Sixty-four bits of a hash, as decimal text of a signed number. Two facts may share one: compare what is found. */
export type FactId = string;

/** The facts that hold for an entry, or that a search demands; `terms` are digests and references. */
export function factsOf(facts: EntryFacts, terms: readonly string[]): FactId[] {
  const { vendorId, applicationId, version, contentType, certificate, subject } = facts;
  const named: readonly (readonly [string, string | undefined])[] = [
    ['vendor', vendorId],
    ['application', applicationId],
    ['version', version],
    ['type', contentType],
    ['certificate', certificate && encodeHex(certificate)],
    ['subject', subject],
    ...terms.map((term) => ['term', term] as const),
  ];
  return named.flatMap(([kind, value]) => (value === undefined ? [] : [factId(kind, value)]));
}

/** Entries in a block of search: small enough that reading the unfinished ones one by one is quick. */
export const BLOCK = 4096;

const SET_BYTES = BLOCK / 8;

/** Places below {@link BLOCK} in ascending order as a set of `log_search_set`: a list, or a bit for each when shorter. */
export function encodePlaces(places: readonly number[]): Buffer {
  if (places.length * 2 < SET_BYTES) {
    const list = Buffer.alloc(places.length * 2);
    places.forEach((place, i) => list.writeUInt16BE(place, i * 2));
    return list;
  }
  return bitsOf(places);
}

/** The places that all the sets have in common, highest first. */
export function commonPlaces(sets: readonly Uint8Array[]): number[] {
  const [first, ...others] = sets.map(readBits);
  if (!first) return [];
  const places: number[] = [];
  for (let at = SET_BYTES - 1; at >= 0; at -= 1) {
    let bits = first[at] ?? 0;
    for (const other of others) bits &= other[at] ?? 0;
    for (let bit = 7; bits !== 0; bit -= 1) {
      if (bits & (1 << bit)) places.push(at * 8 + bit);
      bits &= ~(1 << bit);
    }
  }
  return places;
}

function readBits(set: Uint8Array): Uint8Array {
  if (set.length === SET_BYTES) return set;
  const view = Buffer.from(set.buffer, set.byteOffset, set.byteLength);
  return bitsOf(Array.from({ length: set.length / 2 }, (_, i) => view.readUInt16BE(i * 2)));
}

function bitsOf(places: readonly number[]): Buffer {
  const bits = Buffer.alloc(SET_BYTES);
  for (const place of places) bits[place >> 3] = (bits[place >> 3] ?? 0) | (1 << (place & 7));
  return bits;
}

function factId(kind: string, value: string): FactId {
  const hash = sha256(encodeUtf8(`${kind}\n${value}`));
  return new DataView(hash.buffer, hash.byteOffset).getBigInt64(0).toString();
}
