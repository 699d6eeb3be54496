import { assembleMetadata, draftMetadata, type Metadata, tufKeyFromSpki, tufSignature } from '@margo-trust/tuf';
import type { Signer } from '../keys/signer.ts';

/** The metadata file of a draft, signed by each of `signers` (TUF specification §4.2). */
export async function signMetadata(signed: Metadata, signers: readonly Signer[]): Promise<Uint8Array> {
  const bytes = draftMetadata(signed);
  const signatures = await Promise.all(
    signers.map(async (signer) => tufSignature(tufKeyFromSpki(signer.spki), await signer.sign(bytes, 'der'))),
  );
  return assembleMetadata(signed, signatures);
}
