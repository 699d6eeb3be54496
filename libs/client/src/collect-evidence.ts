import { Fault } from '@margo-trust/fault';
import { OciFault, type OciTarget } from '@margo-trust/oci';
import { bareReference, type ReleaseItem } from '@margo-trust/statement';
import type { TufSnapshot } from '@margo-trust/tuf';
import {
  COMMON_TARGETS,
  parseTrustRoot,
  Verifier,
  vendorTargets,
  type BundledArtifact,
  type EvidenceBundle,
  type Verdict,
  type WitnessOptions,
} from '@margo-trust/verifier';
import type { ArtifactFinder } from './artifact-finder.ts';
import { ClientFault } from './fault.ts';
import { findApplicationId } from './application.ts';
import { judgeInPlace } from './judge-place.ts';
import { findReleases, type FoundRelease } from './release-artifact.ts';
import { lendProof, type ProofFinder } from './witness-proof.ts';

export interface EvidenceRequest {
  readonly place: OciTarget;
  /** Digest of the Application Package. */
  readonly packageDigest: string;
  readonly find: ArtifactFinder;
  readonly trustRoot: TufSnapshot;
  /** Where witnesses matter: what it finds goes into the bundle. */
  readonly findProof?: ProofFinder;
  readonly witnesses?: WitnessOptions;
}

export interface CollectedEvidence {
  readonly bundle: EvidenceBundle;
  readonly verdict: Extract<Verdict, { trusted: true }>;
  /** What the bundle does not hold: one sentence each. */
  readonly findings: readonly string[];
}

/** The refusal of something that belongs into a bundle. `code` is the verdict's. */
export class EvidenceFault extends Fault {}

/**
 * Collects everything that decides about one application: its release, the good signatures of its package, components and
 * images, and those files of the trust root that the verdict needs. `client/no-release` when the package has none; an
 * EvidenceFault when release, package or a component would be refused. A bundle that nobody could trust is not made.
 */
export async function collectEvidence(request: EvidenceRequest): Promise<CollectedEvidence> {
  const { place, packageDigest, find, trustRoot } = request;
  const verifier = new Verifier(parseTrustRoot(trustRoot), request.witnesses);
  const proofs: Uint8Array[] = [];
  const findProof: ProofFinder = async (statement) => {
    const proof = await request.findProof?.(statement);
    if (proof) proofs.push(proof);
    return proof;
  };
  const applicationId = await findApplicationId(place, await place.loadManifest({ digest: packageDigest }));
  const releases = await findReleases(place, packageDigest);
  for (const { statement } of releases) await lendProof(verifier, statement, findProof);
  const { found, verdict } = chooseRelease(releases, verifier, {
    ...(applicationId !== undefined && { applicationId }),
  });
  const { release, statement } = found;

  const findings: string[] = [];
  const artifacts: BundledArtifact[] = [];
  const collect = async (item: ReleaseItem): Promise<void> => {
    const there = item === release.package || item.reference === undefined ? place : (await findPinned(item)).place;
    artifacts.push(await collectArtifact(there, item, verifier, findProof));
  };
  // Where a registry has moved the tag since, the digest still leads there.
  const findPinned = ({ reference = '', digest }: ReleaseItem) => find(`${bareReference(reference)}@${digest}`);

  for (const item of [release.package, ...release.components]) await collect(item);
  for (const item of release.images) {
    try {
      await collect(item);
    } catch (error) {
      if (!(error instanceof EvidenceFault) && !(error instanceof OciFault)) throw error;
      findings.push(`${nameOf(item)} is pinned by the release but carries no signature of its own that counts.`);
    }
  }
  const vendorId = verdict.finding.vendorId;
  const bundle = { trustRoot: neededFiles(trustRoot, vendorId), release: statement, artifacts, proofs };
  return { bundle, verdict, findings };
}

function chooseRelease(
  releases: readonly FoundRelease[],
  verifier: Verifier,
  held: { applicationId?: string },
): { found: FoundRelease; verdict: Extract<Verdict, { trusted: true }> } {
  let refusal: EvidenceFault | undefined;
  for (const found of releases) {
    const verdict = verifier.verifyRelease(found.statement, held);
    if (verdict.trusted) return { found, verdict };
    refusal ??= new EvidenceFault(verdict.code, verdict.reason);
  }
  throw refusal ?? new ClientFault('client/no-release', 'No release is stored beside the package.');
}

async function collectArtifact(
  place: OciTarget,
  item: ReleaseItem,
  verifier: Verifier,
  findProof: ProofFinder,
): Promise<BundledArtifact> {
  const { descriptor, bytes } = await place.loadManifest({ digest: item.digest });
  const { verdict, signature } = await judgeInPlace(place, descriptor, verifier, findProof);
  if (!verdict.trusted || !signature) {
    const [code, reason] = verdict.trusted ? ['verify/unsigned', 'No signature.'] : [verdict.code, verdict.reason];
    throw new EvidenceFault(code, `${nameOf(item)}: ${reason}`);
  }
  const { mediaType, digest, size } = descriptor;
  return { mediaType, digest, size, manifest: bytes, signatures: [signature] };
}

function nameOf({ reference, digest }: ReleaseItem): string {
  return reference ?? digest;
}

/** What a verdict on one vendor reads; leaving the others out keeps the bundle small. */
function neededFiles(trustRoot: TufSnapshot, vendorId: string): EvidenceBundle['trustRoot'] {
  const { initialRoot: _given, files, ...metadata } = trustRoot.set;
  const needed = [...COMMON_TARGETS, ...vendorTargets(vendorId)];
  const kept = needed.flatMap((name) => (files[name] ? [[name, files[name]] as const] : []));
  return { ...metadata, files: Object.fromEntries(kept) };
}
