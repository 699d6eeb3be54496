import { CONTENT } from './labels.ts';
import { parseTargetArtifact, REFERENCE_ANNOTATION, type TargetArtifact } from './artifact.ts';
import { parseRelease, type Release } from './release.ts';
import type { Statement } from './statement.ts';

/** What a vendor was granted to sign for (signing profile, "Who may sign what"). */
export interface Claims {
  /** An application id must begin with one of these. */
  readonly applicationIdPrefixes: readonly string[];
  /** `host/path`: a reference must lie in one of these. */
  readonly ociNamespaces: readonly string[];
}

/** What a vendor's statement speaks of. References are without scheme. */
export interface StatementFacts {
  readonly applicationId?: string;
  readonly version?: string;
  /** Every digest, platform manifests included. */
  readonly digests: readonly string[];
  readonly references: readonly string[];
  /**
   * Those of `references` that the vendor must have been granted: package and components. Images may be anybody's: a
   * release pins them, it does not claim them.
   */
  readonly claimedReferences: readonly string[];
}

/** Reads the payload by its content type; a Fault when it is not what the content type promises. */
export function readFacts(statement: Pick<Statement, 'contentType' | 'payload'>): StatementFacts {
  if (statement.contentType === CONTENT.release) return factsOfRelease(parseRelease(statement.payload));
  if (statement.contentType !== CONTENT.artifact) return { digests: [], references: [], claimedReferences: [] };
  return factsOfTarget(parseTargetArtifact(statement.payload));
}

export function factsOfTarget({ digest, annotations }: TargetArtifact): StatementFacts {
  const reference = annotations?.[REFERENCE_ANNOTATION];
  const references = reference === undefined ? [] : placesOf(reference);
  return { digests: [digest], references, claimedReferences: references };
}

export function factsOfRelease(release: Release): StatementFacts {
  const claimed = [release.package, ...release.components];
  const all = [...claimed, ...release.images];
  const referencesOf = (items: typeof all) =>
    items.flatMap(({ reference }) => (reference === undefined ? [] : placesOf(reference)));
  return {
    applicationId: release.applicationId,
    version: release.version,
    digests: all.flatMap((item) => [item.digest, ...(item.manifests ?? []).map(({ digest }) => digest)]),
    references: referencesOf(all),
    claimedReferences: referencesOf(claimed),
  };
}

export function isClaimedApplication(applicationId: string, claims: Claims): boolean {
  return claims.applicationIdPrefixes.some((prefix) => applicationId.startsWith(prefix));
}

/** Namespaces end at a path segment: `host/acme` covers `host/acme/app:1`, not `host/acme-evil/app`. */
export function isClaimedReference(reference: string, claims: Claims): boolean {
  const bare = bareReference(reference);
  return claims.ociNamespaces.some(
    (namespace) => bare.startsWith(namespace) && /^[/:@]|^$/.test(bare.slice(namespace.length)),
  );
}

/** A bare digest is no place. Whoever looks for one must not find what merely calls itself so. */
function placesOf(reference: string): string[] {
  const bare = bareReference(reference);
  return /^sha\d+:/.test(bare) ? [] : [bare];
}

/** `oci://host/name:tag` and `host/name:tag` are the same place. */
export function bareReference(reference: string): string {
  return reference.startsWith('oci://') ? reference.slice(6) : reference;
}
