import { areEqualBytes } from '@margo-trust/bytes';
import type { CborMap, CborValue } from '@margo-trust/cbor';
import { verifySignature, type PublicKey, type SignatureCheck } from '@margo-trust/crypto';
import { algorithmOf } from './algorithm.ts';
import { CoseFault } from './fault.ts';
import { LABEL } from './label.ts';
import { toBeSigned, type CoseSign1 } from './sign1.ts';

export interface CoseCheckOptions {
  /** Required when the message's payload is detached; must equal it otherwise. */
  readonly payload?: Uint8Array;
  /** Labels in `crit` that the caller acts upon, beside the standard ones. */
  readonly understood?: readonly (string | number)[];
  /** Bytes that were signed but not sent (RFC 9052 §4.3). */
  readonly externalAad?: Uint8Array;
}

/**
 * Everything about a message but the arithmetic (RFC 9052 §4.4): `verifySignature` of the result decides, or the thread
 * pool's twin.
 *
 * Faults: `cose/critical-header`, `cose/unsupported-algorithm`, `cose/payload-missing`, `cose/payload-mismatch`.
 */
export function prepareCheck(message: CoseSign1, key: PublicKey, options: CoseCheckOptions = {}): SignatureCheck {
  refuseUnknownCritical(message.protectedHeader, options.understood ?? []);
  const algorithm = algorithmOf(message.protectedHeader);
  const data = toBeSigned(message.protectedBytes, payloadOf(message, options.payload), options.externalAad);
  return { algorithm, key, data, signature: message.signature };
}

/**
 * Returns if the message is signed by the key; throws what {@link prepareCheck} and `verifySignature` throw.
 *
 * It proves who signed these bytes if the caller trusts the key, and nothing about the unprotected header.
 */
export function verifyCoseSign1(message: CoseSign1, key: PublicKey, options: CoseCheckOptions = {}): void {
  verifySignature(prepareCheck(message, key, options));
}

function payloadOf({ payload }: CoseSign1, given: Uint8Array | undefined): Uint8Array {
  if (payload && given && !areEqualBytes(payload, given)) {
    throw new CoseFault('cose/payload-mismatch', 'The message carries another payload than the one expected.');
  }
  const present = payload ?? given;
  if (!present) throw new CoseFault('cose/payload-missing', 'The payload is detached and was not given.');
  return present;
}

/** RFC 9052 §3.1: a non-empty array of labels, each present in the protected header and understood. */
function refuseUnknownCritical(header: CborMap, understood: readonly (string | number)[]): void {
  if (!header.has(LABEL.critical)) return;
  const critical = header.get(LABEL.critical);
  if (!Array.isArray(critical) || critical.length === 0) {
    throw new CoseFault('cose/malformed', 'The header parameter crit is not a list of labels.');
  }
  const known: readonly CborValue[] = [...STANDARD, ...understood];
  for (const label of critical as readonly CborValue[]) {
    if (!header.has(label) || !known.includes(label)) {
      throw new CoseFault('cose/critical-header', 'A critical header parameter is missing or not understood.');
    }
  }
}

/**
 * alg, content type and kid (RFC 9052), CWT claims (RFC 9597), x5chain and x5t (RFC 9360), hash envelope (RFC 9995),
 * receipts and proofs (RFC 9942). The libraries above this one act upon them.
 */
const STANDARD: readonly number[] = [1, 3, 4, 15, 33, 34, 258, 259, 260, 394, 395, 396];
