import {
  draftStatement,
  encodeRelease,
  CONTENT,
  factsOfRelease,
  isClaimedApplication,
  isClaimedReference,
  parseRelease,
  releaseSubject,
  type Claims,
  type Release,
} from '@margo-trust/statement';
import type { Descriptor } from '@margo-trust/oci';
import { releaseItemOf, type Application, type ApplicationPart } from './application.ts';
import { ClientFault } from './fault.ts';
import { publishStatement, type SigningContext } from './publish-statement.ts';
import { attachRelease, findReleases, removeOwnReleases } from './release-artifact.ts';
import { signArtifact, type SignedArtifact } from './sign-artifact.ts';

export interface ApplicationToSign {
  readonly application: Application;
  /**
   * What the vendor was granted. It must cover the application; images in the vendor's own namespaces are signed one by one,
   * others only pinned.
   */
  readonly claims: Claims;
  /** Called before each signature. */
  readonly onStep?: (what: string) => void;
}

export interface SignedApplication {
  readonly release: Release;
  /** Package, components, the vendor's own images, and last the release itself. */
  readonly signed: readonly SignedArtifact[];
  /** Images of others: pinned by the release, not signed. */
  readonly pinned: readonly ApplicationPart[];
  readonly releaseEntryId: string;
  readonly releaseArtifact: Descriptor;
}

/**
 * Signs a whole application: each of its artifacts that is the vendor's own, and a release that pins every digest. The
 * release is stored beside the package and signed like any artifact.
 *
 * What the registry would refuse for want of a claim is `client/not-claimed` before anything is signed: signatures once
 * registered stay in the log.
 *
 * If it stops half-way, do it again: what was signed is signed anew and replaces the first.
 */
export async function signApplication(request: ApplicationToSign, context: SigningContext): Promise<SignedApplication> {
  const { application, claims, onStep = () => undefined } = request;
  const { description, components, images } = application;
  const isOwn = ({ reference }: ApplicationPart): boolean =>
    reference !== undefined && isClaimedReference(reference, claims);
  const own = [application.package, ...components, ...images.filter(isOwn)];
  const release = releaseOf(application);
  refuseUnclaimed(release, claims);

  const signed: SignedArtifact[] = [];
  for (const part of own) {
    onStep(`signing ${part.reference ?? `${description.id} ${description.version}`}`);
    const { place, descriptor, reference } = part;
    signed.push(await signArtifact({ place, descriptor, ...(reference !== undefined && { reference }) }, context));
  }

  onStep(`signing the release ${description.version} of ${description.id}`);
  const { place, descriptor } = application.package;
  const earlier = await findReleases(place, descriptor.digest);
  const { statement, entryId } = await publishStatement(draftRelease(release, context), context);
  const releaseArtifact = await attachRelease(place, descriptor, statement, {
    'org.opencontainers.image.title': description.id,
    'org.opencontainers.image.version': description.version,
  });
  signed.push(await signArtifact({ place, descriptor: releaseArtifact }, context));
  const replaced = earlier.filter((found) => found.descriptor.digest !== releaseArtifact.digest);
  await removeOwnReleases(place, descriptor.digest, replaced, context.identity.leaf.der);
  const pinned = images.filter((image) => !isOwn(image));
  return { release, signed, pinned, releaseEntryId: entryId, releaseArtifact };
}

/** Read back at once: what could not be read must not be signed. */
function releaseOf({ description, package: home, components, images }: Application): Release {
  return parseRelease(
    encodeRelease({
      applicationId: description.id,
      version: description.version,
      package: releaseItemOf(home),
      components: components.map(releaseItemOf),
      images: images.map(releaseItemOf),
    }),
  );
}

function refuseUnclaimed(release: Release, claims: Claims): void {
  const { applicationId = '', claimedReferences } = factsOfRelease(release);
  const findings = [
    ...(isClaimedApplication(applicationId, claims) ? [] : [`the application id ${applicationId}`]),
    ...claimedReferences.filter((reference) => !isClaimedReference(reference, claims)),
  ];
  if (findings.length === 0) return;
  const granted = [...claims.applicationIdPrefixes.map((prefix) => `${prefix}…`), ...claims.ociNamespaces];
  throw new ClientFault(
    'client/not-claimed',
    `You were not granted ${findings.join(', ')}. You were granted ${granted.join(', ') || 'nothing'}. Nothing was signed.`,
  );
}

function draftRelease(release: Release, { identity, now }: SigningContext) {
  return draftStatement({
    algorithm: identity.signer.algorithm,
    issuer: identity.issuer,
    subject: releaseSubject(release.applicationId, release.version),
    contentType: CONTENT.release,
    payload: encodeRelease(release),
    issuedAt: now(),
    signer: { leafDer: identity.leaf.der },
  });
}
