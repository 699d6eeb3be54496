import { Fault } from '@margo-trust/fault';
import { MEDIA } from '@margo-trust/margo';
import { attachReferrer, OciFault, type Descriptor, type OciSource, type OciTarget } from '@margo-trust/oci';
import { CONTENT, parseRelease, parseStatement, type Release } from '@margo-trust/statement';
import { isBy, removeReferrers } from './sign-artifact.ts';

export interface FoundRelease {
  readonly descriptor: Descriptor;
  /** Transparent statement. Nothing about it is verified. */
  readonly statement: Uint8Array;
  readonly release: Release;
}

/** Stores a release beside its package: a small artifact with the payload to read and the statement to verify. */
export async function attachRelease(
  place: OciTarget,
  subject: Descriptor,
  statement: Uint8Array,
  annotations: Readonly<Record<string, string>>,
): Promise<Descriptor> {
  const { payload } = parseStatement(statement);
  return attachReferrer(place, {
    subject,
    artifactType: MEDIA.release,
    layers: [
      { mediaType: MEDIA.release, data: payload },
      { mediaType: MEDIA.cose, data: statement },
    ],
    annotations,
  });
}

/** The releases stored beside a package. Anyone who may push may have added them; broken ones are passed over. */
export async function findReleases(place: OciSource, packageDigest: string): Promise<FoundRelease[]> {
  const releases: FoundRelease[] = [];
  for (const descriptor of (await place.referrers(packageDigest, MEDIA.release)).slice(0, MAX_RELEASES)) {
    const found = await readRelease(place, descriptor);
    if (found && found.release.package.digest === packageDigest) releases.push(found);
  }
  return releases;
}

/** Takes earlier releases by the same certificate away, their signatures first. */
export async function removeOwnReleases(
  place: OciTarget,
  packageDigest: string,
  earlier: readonly FoundRelease[],
  leafDer: Uint8Array,
): Promise<void> {
  for (const { descriptor, statement } of earlier) {
    if (!isBy(statement, leafDer)) continue;
    const signatures = await place.referrers(descriptor.digest, MEDIA.notarySignature);
    await removeReferrers(place, descriptor.digest, signatures);
    await removeReferrers(place, packageDigest, [descriptor]);
  }
}

async function readRelease(place: OciSource, descriptor: Descriptor): Promise<FoundRelease | undefined> {
  try {
    const manifest = await place.loadManifest(descriptor);
    const layer = manifest.kind === 'manifest' && manifest.layers.find(({ mediaType }) => mediaType === MEDIA.cose);
    if (!layer || manifest.artifactType !== MEDIA.release) return undefined;
    const statement = await place.loadBlob(layer, 1 << 20);
    const { contentType, payload } = parseStatement(statement);
    return contentType === CONTENT.release ? { descriptor, statement, release: parseRelease(payload) } : undefined;
  } catch (error) {
    if (error instanceof OciFault && OUTAGES.has(error.code)) throw error;
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

const MAX_RELEASES = 100;
/** Busy is not absent. */
const OUTAGES: ReadonlySet<string> = new Set([
  'oci/unreachable',
  'oci/unauthorized',
  'oci/busy',
  'oci/bad-credentials',
]);
