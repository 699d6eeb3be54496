import { existsSync } from 'node:fs';
import { makePrivateKey, openPrivateKey, type StatementSigner } from '@margo-trust/client';
import { describeKey, generateTokenKey, openTokenKey, parsePkcs11Uri } from '@margo-trust/pkcs11';
import { CliFault } from '../fault.ts';
import { readTextInput, writeSecret } from '../files.ts';
import type { Io } from '../io.ts';
import { keyPassphrase } from '../key-files.ts';

/** A key of a ceremony: a PKCS #8 file, or one in a token, named by its `pkcs11:` URI. */
export interface CeremonyKey {
  readonly signer: StatementSigner;
  /** For the transcript: no PIN, no path of one. */
  readonly where: string;
  readonly isNew: boolean;
}

export type CeremonyKeyType = 'P-256' | 'P-384';

/** Opens a key that must be there. The PIN of a token is `PKCS11_PIN`, unless the URI names a file with it. */
export async function openCeremonyKey(io: Io, place: string): Promise<CeremonyKey> {
  if (!isUri(place)) {
    const signer = openPrivateKey(await readTextInput(place, 'private key', 65_536), keyPassphrase(io));
    return { signer, where: place, isNew: false };
  }
  const uri = parsePkcs11Uri(place);
  return { signer: await openTokenKey(uri, io.env['PKCS11_PIN']), where: describeKey(uri), isNew: false };
}

/** Opens a key, or makes it if there is none: in the token, or as an encrypted file that only its owner can read. */
export async function openOrMakeKey(io: Io, place: string, type: CeremonyKeyType): Promise<CeremonyKey> {
  if (isUri(place)) {
    const uri = parsePkcs11Uri(place);
    const found = await openCeremonyKey(io, place).catch((error: unknown) => {
      if ((error as { code?: unknown }).code === 'pkcs11/key-not-found') return undefined;
      throw error;
    });
    if (found !== undefined) return found;
    return { signer: await generateTokenKey(uri, type, io.env['PKCS11_PIN']), where: describeKey(uri), isNew: true };
  }
  if (existsSync(place)) return openCeremonyKey(io, place);
  const passphrase = keyPassphrase(io);
  if (passphrase === undefined) {
    const advice = 'Set MARGO_TRUST_KEY_PASSPHRASE, or use a key in a token.';
    throw new CliFault('cli/bad-usage', 'The key of a CA is never written without a passphrase.', advice);
  }
  await writeSecret(place, makePrivateKey(type, passphrase));
  return { ...(await openCeremonyKey(io, place)), isNew: true };
}

/** Whether a key is there already, so that a preview can say what would be made. */
export function isKeyFile(place: string): boolean {
  return !isUri(place) && existsSync(place);
}

export function isUri(place: string): boolean {
  return place.startsWith('pkcs11:');
}
