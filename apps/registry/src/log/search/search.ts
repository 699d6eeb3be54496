import { parseBase64Url, parseHex } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { HASHED_REKORD_TYPE } from '@margo-trust/sigstore';
import { bareReference, CONTENT } from '@margo-trust/statement';
import { PAGE_LIMIT } from '@margo-trust/wire';
import { HttpFault } from '../../http/http.fault.ts';
import { findWireTime } from '../../wire-time.ts';
import type { EntryFilter } from './search.reader.ts';

const PARAMETERS = [
  'q',
  'vendor',
  'applicationId',
  'version',
  'digest',
  'reference',
  'certificate',
  'subject',
  'type',
  'since',
  'until',
  'from',
  'before',
  'limit',
  'proof',
];

const DIGEST = /^sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96})$/;

/** Short names of content types. */
const TYPES = { ...CONTENT, rekor: HASHED_REKORD_TYPE };

/** Reads the query of a search. Unknown, repeated and malformed parameters are refused rather than ignored. */
export function readSearch(query: Record<string, unknown>): EntryFilter & { proof: boolean } {
  const read = (name: string, pattern: RegExp): string | undefined => {
    const value = query[name];
    if (value === undefined || value === '') return undefined;
    if (typeof value !== 'string' || !pattern.test(value))
      throw new HttpFault('http/invalid-query', `"${name}" is malformed.`);
    return value;
  };
  const unknown = Object.keys(query).find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined)
    throw new HttpFault('http/invalid-query', `There is no parameter "${unknown.slice(0, 50)}".`);

  const q = read('q', /^[\x20-\x7e]{1,1024}$/)?.trim();
  const vendor = read('vendor', /^[\x21-\x7e]{1,300}$/);
  const applicationId = read('applicationId', /^[-a-z0-9.]{1,200}$/);
  const term = read('digest', DIGEST) ?? read('reference', /^[\x21-\x7e]{1,1024}$/);
  const certificate = read('certificate', /^[0-9a-f]{64}$/);
  const subject = read('subject', /^[\x20-\x7e]{1,512}$/);
  const type = read('type', /^[\x21-\x7e]{1,255}$/);
  const version = read('version', /^[^\p{Cc}]{1,128}$/u);
  const since = read('since', TIME);
  const until = read('until', TIME);
  const from = read('from', /^\d{1,18}$/);
  const before = read('before', /^\d{1,18}$/);
  const proof = read('proof', /^(true|false)$/) === 'true';
  const limit = Number(read('limit', /^[1-9]\d{0,2}$/) ?? PAGE_LIMIT.initial);
  if (limit > PAGE_LIMIT.max) throw new HttpFault('http/invalid-query', `"limit" may be ${PAGE_LIMIT.max} at most.`);
  return {
    ...(q ? classify(q) : {}),
    ...(vendor !== undefined && { vendorId: vendorIdOf(vendor) }),
    ...(applicationId !== undefined && { applicationId }),
    ...(term !== undefined && { term: bareReference(term) }),
    ...(certificate !== undefined && { certificate: parseHex(certificate) }),
    ...(subject !== undefined && { subject }),
    ...(type !== undefined && {
      contentType: Object.hasOwn(TYPES, type) ? TYPES[type as keyof typeof TYPES] : type,
    }),
    ...(version !== undefined && { version }),
    ...(since !== undefined && { since: readTime('since', since) }),
    ...(until !== undefined && { until: readTime('until', until) }),
    ...(from !== undefined && { from: BigInt(from) }),
    ...(before !== undefined && { before: BigInt(before) }),
    limit,
    proof,
  };
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

function readTime(name: string, text: string): Date {
  const time = findWireTime(text);
  if (!time) throw new HttpFault('http/invalid-query', `"${name}" is not a time.`);
  return time;
}

/** What a person typed into the one search box. */
function classify(q: string): Partial<EntryFilter> {
  if (/^\d{1,18}$/.test(q)) return { index: BigInt(q) };
  if (/^[\w-]{43}$/.test(q)) return { entry: readEntryId(q) };
  if (DIGEST.test(q)) return { term: q };
  if (/^[0-9a-f]{64}$/.test(q)) return { certificate: parseHex(q) };
  if (/^[0-9a-hjkmnp-tv-z]{26}$/i.test(q) || /\.vendors\./.test(q)) return { vendorId: vendorIdOf(q) };
  if (/^(release|vendor|certificate|precertificate|tuf|policy|anchors|oci):/.test(q) && !q.startsWith('oci://'))
    return { subject: q };
  if (/[/:]/.test(q)) return { term: bareReference(q) };
  return { applicationId: q };
}

function readEntryId(q: string): Uint8Array {
  try {
    return parseBase64Url(q);
  } catch (error) {
    if (error instanceof Fault) throw new HttpFault('http/invalid-query', 'That is not an EntryID.');
    throw error;
  }
}

/** A vendor's id, or its URI. */
function vendorIdOf(vendor: string): string {
  return vendor.toLowerCase().replace(/^https:\/\/([^./]+)\.vendors\..*$/, '$1');
}
