import { Fault } from '@margo-trust/fault';
import { findSignatures, OciFault, type Descriptor, type OciSource } from '@margo-trust/oci';
import { adviceFor, type HeldArtifact, type Verdict, type Verifier } from '@margo-trust/verifier';
import { findApplicationId } from './application.ts';
import { lendProof, type ProofFinder } from './witness-proof.ts';

/** A verdict, and the envelope it rests on if there is a good one. */
export interface JudgedArtifact {
  readonly verdict: Verdict;
  readonly signature?: Uint8Array;
}

/**
 * Judges an artifact by the signatures stored beside it, until one is good. When none is, the refusal that got furthest
 * is the answer: somebody else's junk must not hide why the vendor's own signature fails.
 *
 * Of an Application Package the description inside is read too: the vendor must have been granted the application's id.
 * `findProof` is asked where witnesses matter.
 */
export async function judgeInPlace(
  place: OciSource,
  descriptor: Descriptor,
  verifier: Verifier,
  findProof?: ProofFinder,
): Promise<JudgedArtifact> {
  let held: HeldArtifact;
  try {
    held = await holdArtifact(place, descriptor);
  } catch (error) {
    if (!(error instanceof Fault) || error instanceof OciFault) throw error;
    return { verdict: refusalOf(error.code, error.message) };
  }
  let refusal: Verdict | undefined;
  for await (const found of findSignatures(place, descriptor)) {
    if ('envelope' in found) await lendProof(verifier, found.envelope, findProof);
    const verdict: Verdict =
      'fault' in found
        ? refusalOf(found.fault.code, found.fault.message)
        : verifier.verifyArtifact(held, [found.envelope]);
    if (verdict.trusted) return 'envelope' in found ? { verdict, signature: found.envelope } : { verdict };
    if (!refusal || verdict.checks.length > refusal.checks.length) refusal = verdict;
  }
  return { verdict: refusal ?? verifier.verifyArtifact(held, []) };
}

async function holdArtifact(place: OciSource, descriptor: Descriptor): Promise<HeldArtifact> {
  const { mediaType, digest, size } = descriptor;
  const applicationId = await findApplicationId(place, await place.loadManifest(descriptor));
  return { mediaType, digest, size, ...(applicationId !== undefined && { applicationId }) };
}

function refusalOf(code: string, reason: string): Verdict {
  return { trusted: false, code, reason, advice: adviceFor(code), checks: [] };
}
