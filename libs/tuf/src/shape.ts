import type { CanonicalJson } from './canonical-json.ts';
import { TufFault } from './fault.ts';

/** A JSON object as parsed: its members may be anything. */
export type JsonObject = { readonly [member: string]: CanonicalJson };

export function readObject(value: unknown, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(what, 'an object');
  return value as JsonObject;
}

/** The entries of an object whose member names are data. */
export function readDictionary<T>(
  value: unknown,
  what: string,
  read: (member: unknown, name: string) => T,
): Readonly<Record<string, T>> {
  return makeDictionary(Object.entries(readObject(value, what)).map(([name, member]) => [name, read(member, name)]));
}

/** A record without prototype: `constructor` is not in it, and `__proto__` is a name like any other. */
export function makeDictionary<T>(entries: Iterable<readonly [string, T]>): Readonly<Record<string, T>> {
  const dictionary = Object.create(null) as Record<string, T>;
  for (const [name, member] of entries) dictionary[name] = member;
  return dictionary;
}

export function readArray<T>(value: unknown, what: string, read: (item: unknown) => T): readonly T[] {
  if (!Array.isArray(value)) throw malformed(what, 'an array');
  return value.map((item) => read(item));
}

export function readString(value: unknown, what: string): string {
  if (typeof value !== 'string') throw malformed(what, 'a string');
  return value;
}

export function readBoolean(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') throw malformed(what, 'a boolean');
  return value;
}

/** A whole number from `least` to 2^53 - 1. */
export function readCount(value: unknown, what: string, least: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < least) {
    throw malformed(what, `a whole number from ${least}`);
  }
  return value as number;
}

export function malformed(what: string, expected: string): TufFault {
  return new TufFault('tuf/malformed', `${what} should be ${expected}.`);
}
