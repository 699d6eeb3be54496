import { CborFault, decodeCbor, isCborMap, type CborMap, type CborValue } from '@margo-trust/cbor';
import type { Hash } from '@margo-trust/merkle';
import { ReceiptFault } from './fault.ts';
import { isUnsigned, malformed } from './head.ts';
import { CONSISTENCY, INCLUSION, VDP } from './labels.ts';

/** That leaf `index`, from zero, is in the tree of `size` leaves (RFC 9942 §5.2). */
export interface InclusionProof {
  readonly size: bigint;
  readonly index: bigint;
  /** From the leaf's sibling upwards. */
  readonly path: readonly Hash[];
}

/** That the tree of `size2` leaves begins with that of `size1` (RFC 9942 §5.3). */
export interface ConsistencyProof {
  readonly size1: bigint;
  readonly size2: bigint;
  readonly path: readonly Hash[];
}

export function parseInclusionProofs(unprotectedHeader: CborMap): [InclusionProof, ...InclusionProof[]] {
  return mapFirst(parseProofs(unprotectedHeader, INCLUSION), ([size, index, path]) => ({ size, index, path }));
}

export function parseConsistencyProofs(unprotectedHeader: CborMap): [ConsistencyProof, ...ConsistencyProof[]] {
  return mapFirst(parseProofs(unprotectedHeader, CONSISTENCY), ([size1, size2, path]) => ({ size1, size2, path }));
}

/** Both kinds of proof have the shape `[uint, uint, [+ bstr]]`. */
type RawProof = [bigint, bigint, Hash[]];

/** At least one, from a header that anyone may have changed on the way. */
function parseProofs(unprotectedHeader: CborMap, kind: number): [RawProof, ...RawProof[]] {
  const proofs = unprotectedHeader.get(VDP);
  const list = isCborMap(proofs) ? proofs.get(kind) : undefined;
  if (!Array.isArray(list)) throw malformed('The receipt has no proof of this kind.');
  if (list.length > MAX_PROOFS) throw malformed(`A receipt has at most ${MAX_PROOFS} proofs.`);
  const [first, ...rest] = (list as readonly CborValue[]).map(parseProof);
  if (!first) throw malformed('The receipt has no proof of this kind.');
  return [first, ...rest];
}

function parseProof(wrapped: CborValue): RawProof {
  if (!(wrapped instanceof Uint8Array)) throw malformed('A proof must be wrapped in a byte string.');
  const proof = decode(wrapped);
  if (!Array.isArray(proof) || proof.length !== 3) throw malformed('A proof is two sizes and a path.');
  const [first, second, path] = proof as readonly CborValue[];
  if (!isUnsigned(first) || !isUnsigned(second) || !Array.isArray(path)) {
    throw malformed('A proof is two sizes and a path.');
  }
  if (path.length === 0) throw new ReceiptFault('receipt/empty-path', 'A receipt cannot express an empty path.');
  if (path.length > MAX_PATH) throw malformed(`A path has at most ${MAX_PATH} hashes.`);
  return [BigInt(first), BigInt(second), (path as readonly CborValue[]).map(parseHash)];
}

function parseHash(value: CborValue): Hash {
  if (!(value instanceof Uint8Array) || value.length !== 32) throw malformed('A path consists of hashes.');
  return value;
}

function decode(bytes: Uint8Array): CborValue {
  try {
    return decodeCbor(bytes);
  } catch (cause) {
    if (cause instanceof CborFault) throw new ReceiptFault('receipt/malformed', cause.message, { cause });
    throw cause;
  }
}

function mapFirst<T, U>([first, ...rest]: [T, ...T[]], map: (value: T) => U): [U, ...U[]] {
  return [map(first), ...rest.map(map)];
}

/** Each may cost a signature check. */
const MAX_PROOFS = 8;
/** Trees have fewer than 2^64 leaves; a consistency path may begin with one more hash. */
const MAX_PATH = 65;
