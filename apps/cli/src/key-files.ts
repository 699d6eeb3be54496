import { openIdentity, openPrivateKey, type SigningIdentity } from '@margo-trust/client';
import { readTextInput } from './files.ts';
import type { Io } from './io.ts';

/** Where a vendor's key and chain lie unless told otherwise. */
export const DEFAULT_KEY = 'margo-key.pem';
export const DEFAULT_CHAIN = 'margo-chain.pem';

/** A command line shows up in lists of processes; so the passphrase comes from the environment only. */
export function keyPassphrase({ env }: Io): string | undefined {
  return env['MARGO_TRUST_KEY_PASSPHRASE'] || undefined;
}

/** `vendorUri` where the certificate does not name the vendor it signs for. */
export async function readIdentity(
  io: Io,
  files: { key: string; chain: string },
  vendorUri?: string,
): Promise<SigningIdentity> {
  const signer = openPrivateKey(await readTextInput(files.key, 'private key', 65_536), keyPassphrase(io));
  return openIdentity(signer, await readTextInput(files.chain, 'certificate chain', 262_144), vendorUri);
}
