import { areEqualBytes, concatBytes, encodeUtf8 } from '@margo-trust/bytes';
import { CryptoFault, parsePublicKey, verifySignature } from '@margo-trust/crypto';
import { parseCheckpoint } from './checkpoint.ts';
import { cosignatureToBeSigned, parseCosignature, subtreeToBeSigned } from './cosignature.ts';
import { TlogFault } from './fault.ts';
import type { Note, NoteSignature } from './note.ts';
import { ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE, type VerifierKey } from './verifier-key.ts';

/**
 * Checks an ML-DSA-44 signature with an empty context (FIPS 204 §5.3) and throws a CryptoFault unless it is good. Who
 * trusts such keys lends `verifyMlDsa44` of crypto/ml-dsa; who does not need not carry it.
 */
export type VerifyMlDsa44 = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => void;

/**
 * Those of `keys` that signed the note, each once however often it signed (C2SP signed-note, "Signatures").
 *
 * Signatures of other keys are ignored, as the format demands; a wrong signature of one of `keys` refuses the
 * whole note, and so does a note that none of them signed. How many of which keys are enough is the caller's rule.
 * A signature of an ML-DSA-44 key without `verifyMlDsa44` is `tlog/unsupported-key`: it would go unchecked.
 */
export function verifyNote(
  note: Note,
  keys: readonly VerifierKey[],
  verifyMlDsa44: VerifyMlDsa44 = refuseMlDsa44,
): VerifierKey[] {
  const signers = new Set<VerifierKey>();
  for (const [i, signature] of note.signatures.entries()) {
    if (note.signatures.slice(0, i).some((earlier) => isSame(earlier, signature))) continue; // checks cost time
    const key = keys.find((k) => isOf(signature, k));
    if (!key) continue;
    verifyNoteSignature(note.text, signature, key, verifyMlDsa44);
    signers.add(key);
  }
  if (signers.size === 0) throw new TlogFault('tlog/unknown-signer', 'No known key signed the note.');
  return [...signers];
}

/** Whether the signature says that it is the key's; many keys may have the same four bytes of hash. */
export function isOf(signature: Pick<NoteSignature, 'name' | 'keyHash'>, key: VerifierKey): boolean {
  return key.name === signature.name && areEqualBytes(key.keyHash, signature.keyHash);
}

function isSame(a: NoteSignature, b: NoteSignature): boolean {
  return a.name === b.name && areEqualBytes(a.keyHash, b.keyHash) && areEqualBytes(a.signature, b.signature);
}

function verifyNoteSignature(text: string, note: NoteSignature, key: VerifierKey, verifyMlDsa44: VerifyMlDsa44): void {
  if (key.type === ML_DSA_44_COSIGNATURE) {
    const { seconds, signature } = parseCosignature(note.signature);
    const { origin, size, root } = parseCheckpoint(text);
    const message = subtreeToBeSigned(key.name, seconds, { origin, start: 0n, end: size, hash: root });
    attempt(() => verifyMlDsa44(key.publicKey, message, signature));
  } else if (key.type === ED25519_COSIGNATURE) {
    const { seconds, signature } = parseCosignature(note.signature);
    verifyEd25519(key, cosignatureToBeSigned(text, seconds), signature);
  } else {
    verifyEd25519(key, encodeUtf8(text), note.signature);
  }
}

function verifyEd25519({ publicKey }: VerifierKey, data: Uint8Array, signature: Uint8Array): void {
  attempt(() => {
    const key = parsePublicKey(concatBytes(ED25519_SPKI_PREFIX, publicKey));
    verifySignature({ algorithm: 'Ed25519', key, data, signature });
  });
}

function attempt(check: () => void): void {
  try {
    check();
  } catch (cause) {
    if (!(cause instanceof CryptoFault)) throw cause;
    throw new TlogFault('tlog/bad-signature', 'A signature of a known key is wrong.', { cause });
  }
}

function refuseMlDsa44(): never {
  throw new TlogFault('tlog/unsupported-key', 'ML-DSA-44 signatures cannot be checked here.');
}

/** DER of a SubjectPublicKeyInfo of Ed25519 up to the key itself (RFC 8410 §4). */
const ED25519_SPKI_PREFIX = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);
