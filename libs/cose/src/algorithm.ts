import type { CborMap } from '@margo-trust/cbor';
import type { SignatureAlgorithm } from '@margo-trust/crypto';
import { CoseFault } from './fault.ts';
import { LABEL } from './label.ts';

/**
 * The algorithm of a protected header (RFC 9053 §2, RFC 8230 §2); EdDSA means Ed25519 here.
 *
 * Pass the protected header only: an algorithm that the signature does not cover is an attacker's choice.
 */
export function algorithmOf(protectedHeader: CborMap): SignatureAlgorithm {
  const id = protectedHeader.get(LABEL.algorithm);
  if (id === undefined) throw new CoseFault('cose/malformed', 'The protected header names no algorithm.');
  const found = ALGORITHMS.find(([, known]) => known === id);
  if (!found) throw new CoseFault('cose/unsupported-algorithm', 'The signature algorithm is not supported.');
  return found[0];
}

/** The number COSE gives to an algorithm. RS256 and its kin throw `cose/unsupported-algorithm`. */
export function coseAlgorithmId(algorithm: SignatureAlgorithm): number {
  const found = ALGORITHMS.find(([known]) => known === algorithm);
  if (!found) throw new CoseFault('cose/unsupported-algorithm', `${algorithm} is not used in COSE here.`);
  return found[1];
}

const ALGORITHMS: readonly (readonly [SignatureAlgorithm, number])[] = [
  ['ES256', -7],
  ['Ed25519', -8],
  ['ES384', -35],
  ['ES512', -36],
  ['PS256', -37],
  ['PS384', -38],
  ['PS512', -39],
];
