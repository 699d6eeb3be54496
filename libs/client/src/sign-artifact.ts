import { areEqualBytes } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { shortNameOf } from '@margo-trust/margo';
import { attachSignature, findSignatures, OciFault, type Descriptor, type OciTarget } from '@margo-trust/oci';
import { draftArtifactStatement, parseStatement, REFERENCE_ANNOTATION } from '@margo-trust/statement';
import { publishStatement, type SigningContext } from './publish-statement.ts';

export interface ArtifactToSign {
  /** Where the artifact is, and where its signature goes. */
  readonly place: OciTarget;
  /** What was resolved, once, beforehand: tags move. */
  readonly descriptor: Descriptor;
  /** `registry/repository:tag`, where it is published; becomes part of what is signed. Unknown in a layout. */
  readonly reference?: string;
}

export interface SignedArtifact {
  readonly descriptor: Descriptor;
  readonly reference?: string;
  /** The manifest of the signature. */
  readonly signature: Descriptor;
  readonly entryId: string;
  /** How many earlier signatures by the same certificate were taken away. */
  readonly replaced: number;
}

/**
 * Signs one artifact: registers the signature first, then attaches it once, as a referrer that `notation` reads. Earlier
 * signatures of this artifact by the same certificate are taken away afterwards, where the place allows it.
 *
 * Faults are of the registry (RegistryFault), of the place (OciFault) or client/….
 */
export async function signArtifact(artifact: ArtifactToSign, context: SigningContext): Promise<SignedArtifact> {
  const { place, descriptor, reference } = artifact;
  const { identity } = context;
  const { mediaType, digest, size } = descriptor;
  const manifest = await place.loadManifest(descriptor);
  const draft = draftArtifactStatement({
    algorithm: identity.signer.algorithm,
    issuer: identity.issuer,
    subject: `oci:${shortNameOf(manifest.artifactType)}:${digest}`,
    target: { mediaType, digest, size, ...(reference && { annotations: { [REFERENCE_ANNOTATION]: reference } }) },
    signingTime: context.now(),
    leafDer: identity.leaf.der,
  });
  const earlier = await findOwnSignatures(place, descriptor, identity.leaf.der);
  const { statement, entryId } = await publishStatement(draft, context);
  const signature = await attachSignature(place, { subject: descriptor, envelope: statement, chain: identity.chain });
  const replaced = await removeReferrers(place, digest, earlier);
  return { descriptor, signature, entryId, replaced, ...(reference && { reference }) };
}

/** Takes referrers away; where a registry does not delete, they stay and do no harm. */
export async function removeReferrers(
  place: OciTarget,
  subject: string,
  referrers: readonly Descriptor[],
): Promise<number> {
  let removed = 0;
  for (const referrer of referrers) {
    try {
      await place.removeReferrer(subject, referrer);
      removed += 1;
    } catch (error) {
      if (!(error instanceof OciFault) || !['oci/refused', 'oci/not-found'].includes(error.code)) throw error;
    }
  }
  return removed;
}

async function findOwnSignatures(place: OciTarget, subject: Descriptor, leafDer: Uint8Array): Promise<Descriptor[]> {
  const own: Descriptor[] = [];
  for await (const found of findSignatures(place, subject)) {
    if ('envelope' in found && isBy(found.envelope, leafDer)) own.push(found.descriptor);
  }
  return own;
}

/** Whether a statement names this certificate as its signer's. Not whether that is true. */
export function isBy(statement: Uint8Array, leafDer: Uint8Array): boolean {
  try {
    const { x5t } = parseStatement(statement);
    return x5t !== undefined && areEqualBytes(x5t, sha256(leafDer));
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}
