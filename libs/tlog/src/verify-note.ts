import { areEqualBytes, concatBytes, encodeUtf8 } from '@margo-trust/bytes';
import { CryptoFault, parsePublicKey, verifySignature } from '@margo-trust/crypto';
import { TlogFault } from './fault.ts';
import type { Note, NoteSignature } from './note.ts';
import { ED25519_COSIGNATURE, type VerifierKey } from './verifier-key.ts';

/**
 * Those of `keys` that signed the note, each once however often it signed (C2SP signed-note, "Signatures").
 *
 * Signatures of other keys are ignored, as the format demands; a wrong signature of one of `keys` refuses the
 * whole note, and so does a note that none of them signed. How many of which keys are enough is the caller's rule.
 */
export function verifyNote(note: Note, keys: readonly VerifierKey[]): VerifierKey[] {
  const signers = new Set<VerifierKey>();
  for (const signature of note.signatures) {
    const key = keys.find((k) => k.name === signature.name && areEqualBytes(k.keyHash, signature.keyHash));
    if (!key) continue;
    verifyNoteSignature(note.text, signature, key);
    signers.add(key);
  }
  if (signers.size === 0) throw new TlogFault('tlog/unknown-signer', 'No known key signed the note.');
  return [...signers];
}

/** What a witness signs at `seconds` since the epoch (C2SP tlog-cosignature, "Ed25519 signed message"). */
export function cosignatureToBeSigned(text: string, seconds: bigint): Uint8Array {
  return encodeUtf8(`cosignature/v1\ntime ${seconds}\n${text}`);
}

/** The bytes that follow the key hash in a cosignature's line: the time in eight bytes, then the signature. */
export function encodeCosignature(seconds: bigint, signature: Uint8Array): Uint8Array {
  const time = new Uint8Array(TIME_BYTES);
  new DataView(time.buffer).setBigUint64(0, seconds);
  return concatBytes(time, signature);
}

function verifyNoteSignature(text: string, { signature }: NoteSignature, key: VerifierKey): void {
  const isCosignature = key.type === ED25519_COSIGNATURE;
  if (signature.length !== (isCosignature ? TIME_BYTES : 0) + ED25519_SIGNATURE_BYTES) throw refused();
  try {
    verifySignature({
      algorithm: 'Ed25519',
      key: parsePublicKey(concatBytes(ED25519_SPKI_PREFIX, key.publicKey)),
      data: isCosignature ? cosignatureToBeSigned(text, timeOf(signature)) : encodeUtf8(text),
      signature: isCosignature ? signature.subarray(TIME_BYTES) : signature,
    });
  } catch (error) {
    if (error instanceof CryptoFault) throw refused(error);
    throw error;
  }
}

function timeOf(signature: Uint8Array): bigint {
  const seconds = new DataView(signature.buffer, signature.byteOffset, TIME_BYTES).getBigUint64(0);
  if (seconds >= 1n << 63n) throw refused();
  return seconds;
}

function refused(cause?: unknown): TlogFault {
  return new TlogFault('tlog/bad-signature', 'A signature of a known key is wrong.', { cause });
}

const TIME_BYTES = 8;
const ED25519_SIGNATURE_BYTES = 64;
/** DER of a SubjectPublicKeyInfo of Ed25519 up to the key itself (RFC 8410 §4). */
const ED25519_SPKI_PREFIX = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);
