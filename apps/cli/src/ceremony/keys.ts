import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
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

export type CeremonyKeyType = 'P-256' | 'P-384' | 'Ed25519';

/** Opens a key that must be there. The PIN of a token is `PKCS11_PIN`, unless the URI names a file with it. */
export async function openCeremonyKey(io: Io, place: string): Promise<CeremonyKey> {
  if (!isUri(place)) {
    const signer = openPrivateKey(await readTextInput(place, 'private key', 65_536), keyPassphrase(io));
    return { signer, where: place, isNew: false };
  }
  const uri = parsePkcs11Uri(place);
  return { signer: await openTokenKey(uri, io.env['PKCS11_PIN']), where: describeKey(uri), isNew: false };
}

/** Opens a key of the trust root, likewise: they are Ed25519. */
export async function openTufKey(io: Io, place: string): Promise<CeremonyKey> {
  const key = isUri(place)
    ? await openCeremonyKey(io, place)
    : {
        signer: openEd25519(await readTextInput(place, 'private key', 65_536), keyPassphrase(io)),
        ...{ where: place, isNew: false },
      };
  if (key.signer.algorithm !== 'Ed25519') throw badKey('Keys of the trust root are Ed25519.');
  return key;
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
  const open = type === 'Ed25519' ? openTufKey : openCeremonyKey;
  if (existsSync(place)) return open(io, place);
  const passphrase = keyPassphrase(io);
  if (passphrase === undefined) {
    const advice = 'Set MARGO_TRUST_KEY_PASSPHRASE, or use a key in a token.';
    throw new CliFault('cli/bad-usage', 'A key of a ceremony is never written without a passphrase.', advice);
  }
  await writeSecret(place, type === 'Ed25519' ? makeEd25519(passphrase) : makePrivateKey(type, passphrase));
  return { ...(await open(io, place)), isNew: true };
}

/** Vendors never sign with such a key, so that `openPrivateKey` knows none. */
function openEd25519(pem: string, passphrase: string | undefined): StatementSigner {
  let key;
  try {
    // Without a passphrase OpenSSL would ask for one at the terminal.
    key = createPrivateKey({ key: pem, passphrase: passphrase ?? '' });
  } catch (cause) {
    throw badKey('That is not a private key in PEM, or the passphrase is missing or wrong.', { cause });
  }
  if (key.asymmetricKeyType !== 'ed25519') throw badKey('Keys of the trust root are Ed25519.');
  return {
    algorithm: 'Ed25519',
    spki: new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' })),
    sign: (data) => Promise.resolve(new Uint8Array(sign(null, data, key))),
  };
}

function makeEd25519(passphrase: string): string {
  const { privateKey } = generateKeyPairSync('ed25519');
  return privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase }) as string;
}

function badKey(message: string, options?: ErrorOptions): CliFault {
  return new CliFault('cli/ceremony-refused', message, 'Nothing was written. Find out why before you go on.', options);
}

/** Whether a key is there already, so that a preview can say what would be made. */
export function isKeyFile(place: string): boolean {
  return !isUri(place) && existsSync(place);
}

export function isUri(place: string): boolean {
  return place.startsWith('pkcs11:');
}
