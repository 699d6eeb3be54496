import { areEqualBytes, concatBytes, encodeBase64, encodeHex, encodeUtf8, parseHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { TlogFault } from './fault.ts';
import { findBase64 } from './lines.ts';
import { isKeyName, KEY_HASH_BYTES } from './note.ts';

/** Signs the text of the note itself (C2SP signed-note). */
export const ED25519_NOTE = 0x01;
/** Signs the text and the time at which a witness saw it (C2SP tlog-cosignature, `cosignature/v1`). */
export const ED25519_COSIGNATURE = 0x04;

/** A key that the caller trusts for what its name says. */
export interface VerifierKey {
  name: string;
  /** 4 bytes. */
  keyHash: Uint8Array;
  /** {@link ED25519_NOTE} or {@link ED25519_COSIGNATURE}. */
  type: number;
  /** 32 bytes of Ed25519 (RFC 8032 §5.1.5). */
  publicKey: Uint8Array;
}

/** Reads `<name>+<8 hex digits>+<base64 of type and key>`. Key types other than Ed25519 are refused. */
export function parseVerifierKey(vkey: string): VerifierKey {
  const [, name, hash, base64] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/su.exec(vkey) ?? [];
  const blob = base64 === undefined ? undefined : findBase64(base64);
  if (name === undefined || !isKeyName(name) || hash === undefined || !blob || blob.length === 0) {
    throw new TlogFault('tlog/bad-verifier-key', 'Expected name, key hash and key, separated by plus signs.');
  }
  const [type, publicKey] = [blob[0] ?? 0, blob.slice(1)];
  refuseOtherThanEd25519(type, publicKey);
  const keyHash = parseHex(hash);
  if (!areEqualBytes(keyHash, verifierKeyId(name, publicKey, type).subarray(0, KEY_HASH_BYTES))) {
    throw new TlogFault('tlog/bad-verifier-key', "The key hash doesn't match name and key.");
  }
  return { name, keyHash, type, publicKey };
}

/** `<name>+<8 hex digits>+<base64 of type and key>` of an Ed25519 key of 32 bytes. */
export function encodeVerifierKey(name: string, ed25519Public: Uint8Array, type = ED25519_NOTE): string {
  if (!isKeyName(name)) throw new TlogFault('tlog/bad-verifier-key', 'A key name has neither spaces nor plus signs.');
  refuseOtherThanEd25519(type, ed25519Public);
  const keyHash = verifierKeyId(name, ed25519Public, type).subarray(0, KEY_HASH_BYTES);
  return `${name}+${encodeHex(keyHash)}+${encodeBase64(concatBytes(Uint8Array.of(type), ed25519Public))}`;
}

/**
 * SHA-256(name ‖ LF ‖ type ‖ key), all 32 bytes. Notes carry the first four (C2SP signed-note, "Signatures");
 * Sigstore names a log by the whole.
 */
export function verifierKeyId(name: string, ed25519Public: Uint8Array, type = ED25519_NOTE): Uint8Array {
  return sha256(concatBytes(encodeUtf8(`${name}\n`), Uint8Array.of(type), ed25519Public));
}

function refuseOtherThanEd25519(type: number, publicKey: Uint8Array): void {
  if (type !== ED25519_NOTE && type !== ED25519_COSIGNATURE) {
    throw new TlogFault('tlog/unsupported-key', `Keys of type ${type} are not supported.`);
  }
  if (publicKey.length !== ED25519_BYTES) {
    throw new TlogFault('tlog/bad-verifier-key', `An Ed25519 key has ${ED25519_BYTES} bytes.`);
  }
}

const ED25519_BYTES = 32;
