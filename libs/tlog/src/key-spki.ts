import { areEqualBytes, concatBytes, encodeHex, parseHex } from '@margo-trust/bytes';
import { TlogFault } from './fault.ts';
import {
  ED25519_NOTE,
  encodeVerifierKey,
  ML_DSA_44_COSIGNATURE,
  parseVerifierKey,
  type VerifierKey,
} from './verifier-key.ts';

/**
 * The key that a log called `name` signs checkpoints with, from its SubjectPublicKeyInfo in DER: an Ed25519 one (RFC 8410 §4) signs notes,
 * an ML-DSA-44 one (RFC 9881 §4) cosigns. Any other is `tlog/unsupported-key`.
 */
export function verifierKeyFromSpki(name: string, spki: Uint8Array): VerifierKey {
  for (const [type, { prefix, length }] of FORMS) {
    const isIt = spki.length === length && areEqualBytes(spki.subarray(0, prefix.length), prefix);
    if (isIt) return parseVerifierKey(encodeVerifierKey(name, spki.slice(prefix.length), type));
  }
  const message = `A log signs with Ed25519 or ML-DSA-44, and not with ${encodeHex(spki.subarray(0, 24))}…`;
  throw new TlogFault('tlog/unsupported-key', message);
}

/** SubjectPublicKeyInfo, DER, of what {@link verifierKeyFromSpki} reads. */
export function verifierKeySpki({ type, publicKey }: Pick<VerifierKey, 'type' | 'publicKey'>): Uint8Array {
  const form = FORMS.get(type);
  if (!form) throw new TlogFault('tlog/unsupported-key', `Keys of type ${type} are not those of a log.`);
  return concatBytes(form.prefix, publicKey);
}

/** DER up to the key itself, and how long the whole is. */
const FORMS: ReadonlyMap<number, { readonly prefix: Uint8Array; readonly length: number }> = new Map([
  [ED25519_NOTE, { prefix: parseHex('302a300506032b6570032100'), length: 44 }],
  [ML_DSA_44_COSIGNATURE, { prefix: parseHex('30820532300b06096086480165030403110382052100'), length: 1334 }],
]);
