import { areEqualBytes, concatBytes, encodeBase64, encodeHex, encodeUtf8, parseHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { TlogFault } from './fault.ts';
import { findBase64 } from './lines.ts';
import { isKeyName, KEY_HASH_BYTES } from './note.ts';

/** Signs the text of the note itself (C2SP signed-note). */
export const ED25519_NOTE = 0x01;
/** Signs the text and the time at which a witness saw it (C2SP tlog-cosignature, `cosignature/v1`). */
export const ED25519_COSIGNATURE = 0x04;
/** Signs origin, size, root and, unless it is zero, the time (C2SP tlog-cosignature, "ML-DSA-44 signed message"). */
export const ML_DSA_44_COSIGNATURE = 0x06;

/** A key that the caller trusts for what its name says. */
export interface VerifierKey {
  name: string;
  /** 4 bytes. */
  keyHash: Uint8Array;
  /** {@link ED25519_NOTE}, {@link ED25519_COSIGNATURE} or {@link ML_DSA_44_COSIGNATURE}. */
  type: number;
  /** 32 bytes of Ed25519 (RFC 8032 §5.1.5) or 1312 of ML-DSA-44 (FIPS 204). */
  publicKey: Uint8Array;
}

/** Reads `<name>+<8 hex digits>+<base64 of type and key>`. Other key types than the three are refused. */
export function parseVerifierKey(vkey: string): VerifierKey {
  const [, name, hash, base64] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/su.exec(vkey) ?? [];
  const blob = base64 === undefined ? undefined : findBase64(base64);
  if (name === undefined || !isKeyName(name) || hash === undefined || !blob || blob.length === 0) {
    throw new TlogFault('tlog/bad-verifier-key', 'Expected name, key hash and key, separated by plus signs.');
  }
  const [type, publicKey] = [blob[0] ?? 0, blob.slice(1)];
  refuseUnknownType(type, publicKey);
  const keyHash = parseHex(hash);
  if (!areEqualBytes(keyHash, verifierKeyId(name, publicKey, type).subarray(0, KEY_HASH_BYTES))) {
    throw new TlogFault('tlog/bad-verifier-key', "The key hash doesn't match name and key.");
  }
  return { name, keyHash, type, publicKey };
}

/** `<name>+<8 hex digits>+<base64 of type and key>`. */
export function encodeVerifierKey(name: string, publicKey: Uint8Array, type = ED25519_NOTE): string {
  if (!isKeyName(name)) throw new TlogFault('tlog/bad-verifier-key', 'A key name has neither spaces nor plus signs.');
  refuseUnknownType(type, publicKey);
  const keyHash = verifierKeyId(name, publicKey, type).subarray(0, KEY_HASH_BYTES);
  return `${name}+${encodeHex(keyHash)}+${encodeBase64(concatBytes(Uint8Array.of(type), publicKey))}`;
}

/**
 * SHA-256(name ‖ LF ‖ type ‖ key), all 32 bytes. Notes carry the first four (C2SP signed-note, "Signatures");
 * Sigstore names a log by the whole.
 */
export function verifierKeyId(name: string, publicKey: Uint8Array, type = ED25519_NOTE): Uint8Array {
  return sha256(concatBytes(encodeUtf8(`${name}\n`), Uint8Array.of(type), publicKey));
}

function refuseUnknownType(type: number, publicKey: Uint8Array): void {
  const bytes = KEY_BYTES.get(type);
  if (bytes === undefined) throw new TlogFault('tlog/unsupported-key', `Keys of type ${type} are not supported.`);
  if (publicKey.length !== bytes) {
    throw new TlogFault('tlog/bad-verifier-key', `A key of type ${type} has ${bytes} bytes.`);
  }
}

const KEY_BYTES: ReadonlyMap<number, number> = new Map([
  [ED25519_NOTE, 32],
  [ED25519_COSIGNATURE, 32],
  [ML_DSA_44_COSIGNATURE, 1312],
]);
