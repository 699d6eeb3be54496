import { encodeReference, OciLayout, OciRegistry, parseReference, type Descriptor } from '@margo-trust/oci';
import type { OciTarget, RegistryOptions } from '@margo-trust/oci';

export interface FoundArtifact {
  readonly place: OciTarget;
  readonly descriptor: Descriptor;
  /** The reference it was found by, without digest. */
  readonly reference: string;
}

/** Resolves `registry/repository[:tag][@digest]`, once. `oci/not-found` when there is nothing, other OciFaults. */
export type ArtifactFinder = (reference: string) => Promise<FoundArtifact>;

/**
 * Finds what a package names. A layout is self-contained: everything is looked for in it, under its full reference or
 * its digest. From a registry, every reference leads to the registry that it names.
 */
export function artifactFinder(home: OciTarget, options: RegistryOptions = {}): ArtifactFinder {
  return async (text) => {
    const parsed = parseReference(text);
    if (parsed.kind === 'layout') return { ...(await resolveIn(home, text)), reference: text };
    const { registry, repository, tag, digest } = parsed;
    const reference = encodeReference({ kind: 'registry', registry, repository, ...(tag !== undefined && { tag }) });
    if (home instanceof OciLayout) return { ...(await resolveIn(home, digest ?? reference)), reference };
    const place = new OciRegistry(registry, repository, options);
    return { ...(await resolveIn(place, digest ?? tag ?? 'latest')), reference };
  };
}

async function resolveIn(place: OciTarget, reference: string): Promise<{ place: OciTarget; descriptor: Descriptor }> {
  return { place, descriptor: await place.resolve(reference) };
}
