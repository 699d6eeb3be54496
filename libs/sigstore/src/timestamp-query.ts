import { ProtoJson } from './proto-json.ts';

/** What a query in JSON asks for, in the terms of RFC 3161 §2.4.1. */
export interface TimestampQuery {
  readonly hash: 'SHA-256' | 'SHA-384' | 'SHA-512';
  /** The digest to be stamped. */
  readonly imprint: Uint8Array;
  readonly nonce?: bigint;
  /** Object identifier of the policy. */
  readonly policy?: string;
  /** Whether the token is to hold the authority's certificate. */
  readonly certReq: boolean;
}

/**
 * Reads the JSON form of a time-stamp query, as `@sigstore/sign` sends it to `POST /api/v1/timestamp`. Throws
 * `sigstore/bad-request`. A nonce has 53 bits at most: JSON numbers have no more.
 */
export function readTimestampQuery(value: unknown): TimestampQuery {
  const query = new ProtoJson(value, 'query');
  const name = query.get('hashAlgorithm').text(16).toLowerCase().replace('-', '');
  const algorithm = ALGORITHMS.get(name);
  if (!algorithm) throw query.refuse('must have one of sha256, sha384 and sha512 as "hashAlgorithm"');
  const imprint = query.get('artifactHash').bytes(64);
  if (imprint.length !== algorithm.bytes) throw query.refuse('has an "artifactHash" of another length than its digest');
  const nonce = query.find('nonce')?.unsigned();
  const policy = query.find('tsaPolicyOID')?.text(128);
  if (policy !== undefined && !/^[012](\.(0|[1-9]\d{0,20}))+$/.test(policy)) {
    throw query.refuse('has a "tsaPolicyOID" that is no object identifier');
  }
  return {
    hash: algorithm.hash,
    imprint,
    certReq: query.find('certificates')?.flag() ?? false,
    ...(nonce !== undefined && { nonce }),
    ...(policy && { policy }),
  };
}

const ALGORITHMS = new Map<string, { readonly hash: TimestampQuery['hash']; readonly bytes: number }>([
  ['sha256', { hash: 'SHA-256', bytes: 32 }],
  ['sha384', { hash: 'SHA-384', bytes: 48 }],
  ['sha512', { hash: 'SHA-512', bytes: 64 }],
]);
