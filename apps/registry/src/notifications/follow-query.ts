import { parseHex } from '@margo-trust/bytes';
import { HttpFault } from '../http/http.fault.ts';
import type { FeedFilter } from '../log/search/feed.reader.ts';

/** How each filter is spelt. Values come from the caller. */
export const FILTER_PATTERNS = {
  vendor: /^[\x21-\x7e]{1,300}$/,
  application: /^[-a-z0-9.]{1,200}$/,
  digest: /^sha256:[0-9a-f]{64}$/,
  certificate: /^[0-9a-f]{64}$/,
} as const;

export type FilterText = Partial<Record<keyof typeof FILTER_PATTERNS, string>>;

/** Reads the query of a follower. Unknown, repeated and malformed parameters are refused rather than ignored. */
export function readFollowQuery(query: Record<string, unknown>): { filter: FeedFilter; after: bigint | undefined } {
  const known = [...Object.keys(FILTER_PATTERNS), 'after'];
  const unknown = Object.keys(query).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new HttpFault('http/invalid-query', `There is no parameter "${unknown.slice(0, 50)}".`);
  const read = (name: string, pattern: RegExp): string | undefined => {
    const value = query[name];
    if (value === undefined || value === '') return undefined;
    if (typeof value === 'string' && pattern.test(value)) return value;
    throw new HttpFault('http/invalid-query', `"${name}" is malformed.`);
  };
  const names = Object.keys(FILTER_PATTERNS) as (keyof typeof FILTER_PATTERNS)[];
  const texts = names.map((name) => [name, read(name, FILTER_PATTERNS[name])] as const);
  return { filter: toFeedFilter(Object.fromEntries(texts)), after: readIndex(read('after', INDEX)) };
}

/** A `Last-Event-ID`: what a browser sends when it comes back. Empty counts as absent. */
export function readLastEventId(value: string | undefined): bigint | undefined {
  if (value === undefined || value === '') return undefined;
  if (!INDEX.test(value)) throw new HttpFault('http/invalid-query', '"Last-Event-ID" is not the index of an entry.');
  return readIndex(value);
}

export function toFeedFilter({ vendor, application, digest, certificate }: FilterText): FeedFilter {
  return {
    // A vendor's id, or its URI.
    ...(vendor !== undefined && { vendorId: vendor.toLowerCase().replace(/^https:\/\/([^./]+)\.vendors\..*$/, '$1') }),
    ...(application !== undefined && { applicationId: application }),
    ...(certificate !== undefined && { certificate: parseHex(certificate) }),
    ...(digest !== undefined && { term: digest }),
  };
}

const INDEX = /^\d{1,18}$/;

function readIndex(text: string | undefined): bigint | undefined {
  return text === undefined ? undefined : BigInt(text);
}
