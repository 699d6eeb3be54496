import { parseUtf8 } from '@margo-trust/bytes';
import type { CleartextMessage, Key, PartialConfig, Signature, SignaturePacket } from 'openpgp';
import { OpenpgpFault } from './fault.ts';
import { findArmor, readKey, requireUsable } from './key.ts';
import { loadOpenpgp, type Openpgp } from './load.ts';
import { isStrongDigest, strictConfig } from './rules.ts';

/** What an OpenPGP signature says that verifies. There is nothing behind it but the key. */
export interface OpenpgpSignature {
  /** Of the primary key, which is one of those that were asked about. */
  readonly fingerprint: string;
  /** The signer's own claim. */
  readonly signedAt: Date;
}

const MAX_SIGNATURE_BYTES = 64 << 10;
const MAX_CLEARTEXT_BYTES = 1 << 20;

/**
 * Verifies a detached signature over a file, armored or not (RFC 9580 §10.4), by one of these keys. One good signature is enough; when
 * there is none, the first refusal is thrown.
 *
 * The key must be good at `now`, since the time in a signature is whatever its maker wrote; so nothing outlives its key. Faults with
 * openpgp/not-a-signature, openpgp/wrong-key, openpgp/bad-signature, openpgp/weak-signature, openpgp/signature-expired, and what
 * `readOpenpgpKey` may say of the key.
 */
export async function verifyDetached(
  file: Uint8Array,
  signature: Uint8Array,
  keys: readonly Uint8Array[],
  now: Date,
): Promise<OpenpgpSignature> {
  const openpgp = await loadOpenpgp();
  const parsed = await readSignature(openpgp, signature);
  const message = await openpgp.createMessage({ binary: file });
  return chooseSignature(openpgp, keys, now, (verificationKeys, config) =>
    openpgp.verify({ message, signature: parsed, verificationKeys, date: now, config }),
  );
}

/** A text signed in the open (RFC 9580 §7), as it was signed: line ends are LF, and nothing follows the last character of a line. */
export interface SignedText extends OpenpgpSignature {
  readonly text: string;
}

/** As {@link verifyDetached}, for a cleartext signature. What stands around the signed text is ignored. */
export async function verifyCleartext(file: Uint8Array, keys: readonly Uint8Array[], now: Date): Promise<SignedText> {
  const openpgp = await loadOpenpgp();
  const message = await readCleartext(openpgp, file);
  const signature = await chooseSignature(openpgp, keys, now, (verificationKeys, config) =>
    openpgp.verify({ message, verificationKeys, date: now, config }),
  );
  return { ...signature, text: message.getText() };
}

interface Verification {
  readonly signatures: readonly { readonly signature: Promise<Signature>; readonly verified: Promise<true> }[];
}
type Verify = (keys: Key[], config: PartialConfig) => Promise<Verification>;

/** The first signature that is good by one of the keys. */
async function chooseSignature(
  openpgp: Openpgp,
  keys: readonly Uint8Array[],
  now: Date,
  verify: Verify,
): Promise<OpenpgpSignature> {
  const candidates = await Promise.all(keys.map(async (bytes) => (await readKey(openpgp, bytes)).key));
  // openpgp.js has no errors but plain ones: each is a refusal of what it was given.
  const unreadable = (cause: unknown): OpenpgpFault =>
    new OpenpgpFault('openpgp/not-a-signature', 'The signature can’t be read.', { cause });
  const { signatures } = await verify(candidates, strictConfig(openpgp)).catch((cause: unknown) => {
    throw unreadable(cause);
  });
  let refusal: OpenpgpFault | undefined;
  for (const { signature, verified } of signatures) {
    try {
      const [packet] = (await signature).packets;
      if (!packet) continue;
      const key = await requireGood(openpgp, packet, candidates, now);
      await verified.catch((cause: unknown) => {
        throw new OpenpgpFault('openpgp/bad-signature', 'It does not verify over this file.', { cause });
      });
      return { fingerprint: key.getFingerprint(), signedAt: packet.created ?? now };
    } catch (error) {
      refusal ??= error instanceof OpenpgpFault ? error : unreadable(error);
    }
  }
  throw refusal ?? new OpenpgpFault('openpgp/not-a-signature', 'There is no signature over a file in it.');
}

/** The key that made it, if the two are worth checking it. */
async function requireGood(
  openpgp: Openpgp,
  packet: SignaturePacket,
  candidates: readonly Key[],
  now: Date,
): Promise<Key> {
  const { issuerKeyID, created, hashAlgorithm } = packet;
  const key = candidates.find((one) => one.getKeys(issuerKeyID).length > 0);
  if (key === undefined) {
    const message = `It was made by the key ${issuerKeyID.toHex()}, which the vendor has not registered.`;
    throw new OpenpgpFault('openpgp/wrong-key', message);
  }
  if (!isStrongDigest(openpgp, hashAlgorithm)) {
    throw new OpenpgpFault('openpgp/weak-signature', 'It signs a digest that is too weak, such as SHA-1.');
  }
  await requireUsable(openpgp, key, now, issuerKeyID);
  if (created === null || created > now) {
    throw new OpenpgpFault('openpgp/bad-signature', 'It says that it was made in the future.');
  }
  if (packet.isExpired(now)) throw new OpenpgpFault('openpgp/signature-expired', 'Its maker let it expire.');
  return key;
}

async function readSignature(openpgp: Openpgp, file: Uint8Array): Promise<Signature> {
  if (file.length > MAX_SIGNATURE_BYTES) {
    throw new OpenpgpFault('openpgp/too-large', 'The file is too large for a signature.');
  }
  try {
    const armoredSignature = findArmor(file);
    return await (armoredSignature === undefined
      ? openpgp.readSignature({ binarySignature: file })
      : openpgp.readSignature({ armoredSignature }));
  } catch (cause) {
    throw new OpenpgpFault('openpgp/not-a-signature', 'This is no detached OpenPGP signature.', { cause });
  }
}

async function readCleartext(openpgp: Openpgp, file: Uint8Array): Promise<CleartextMessage> {
  if (file.length > MAX_CLEARTEXT_BYTES) throw new OpenpgpFault('openpgp/too-large', 'The signed text is too large.');
  try {
    return await openpgp.readCleartextMessage({ cleartextMessage: parseUtf8(file) });
  } catch (cause) {
    throw new OpenpgpFault('openpgp/not-a-signature', 'This is no text with an OpenPGP signature.', { cause });
  }
}
