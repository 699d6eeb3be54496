import { sha256, sha384, sha512 } from '@margo-trust/crypto';
import { derNull, derOid, derSequence, OID, openDer, readOid, TAG, type DerNode } from '@margo-trust/x509';
import { TimestampFault } from './fault.ts';

/** The digests that are stamped and signed with; SHA-1 and its elders are not. */
export type TimestampHash = 'SHA-256' | 'SHA-384' | 'SHA-512';

export function digest(hash: TimestampHash, data: Uint8Array): Uint8Array {
  return HASHES[hash].digest(data);
}

export function digestBytes(hash: TimestampHash): number {
  return HASHES[hash].bytes;
}

/** AlgorithmIdentifier of a digest, its parameters absent or NULL (RFC 5754 §2). */
export function readHash(node: DerNode): TimestampHash {
  const cursor = openDer(node);
  const oid = readOid(cursor.next(TAG.oid));
  cursor.optional(TAG.null);
  cursor.end();
  const hash = NAMES.find((name) => HASHES[name].oid === oid);
  if (!hash) throw new TimestampFault('timestamp/unsupported-hash', `Digest algorithm ${oid} is not accepted.`);
  return hash;
}

export function encodeHash(hash: TimestampHash): Uint8Array {
  return derSequence(derOid(HASHES[hash].oid), derNull());
}

const HASHES = {
  'SHA-256': { oid: OID.sha256, bytes: 32, digest: sha256 },
  'SHA-384': { oid: OID.sha384, bytes: 48, digest: sha384 },
  'SHA-512': { oid: OID.sha512, bytes: 64, digest: sha512 },
} as const;

const NAMES = ['SHA-256', 'SHA-384', 'SHA-512'] as const;
