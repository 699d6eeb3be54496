import { findSignatures, type Descriptor, type OciSource } from '@margo-trust/oci';
import { adviceFor, type Verdict, type Verifier } from '@margo-trust/verifier';

/** A verdict, and the envelope it rests on if there is a good one. */
export interface JudgedArtifact {
  readonly verdict: Verdict;
  readonly signature?: Uint8Array;
}

/**
 * Judges an artifact by the signatures stored beside it, until one is good. When none is, the refusal that got furthest
 * is the answer: somebody else's junk must not hide why the vendor's own signature fails.
 */
export async function judgeInPlace(
  place: OciSource,
  descriptor: Descriptor,
  verifier: Verifier,
): Promise<JudgedArtifact> {
  let refusal: Verdict | undefined;
  for await (const found of findSignatures(place, descriptor)) {
    const verdict: Verdict =
      'fault' in found
        ? refusalOf(found.fault.code, found.fault.message)
        : verifier.verifyArtifact(descriptor, [found.envelope]);
    if (verdict.trusted) return 'envelope' in found ? { verdict, signature: found.envelope } : { verdict };
    if (!refusal || verdict.checks.length > refusal.checks.length) refusal = verdict;
  }
  return { verdict: refusal ?? verifier.verifyArtifact(descriptor, []) };
}

function refusalOf(code: string, reason: string): Verdict {
  return { trusted: false, code, reason, advice: adviceFor(code), checks: [] };
}
