import {
  chartImages,
  composeImages,
  MEDIA,
  parseApplicationDescription,
  parseChartArchive,
  parseComposeArchive,
  referenceOfComponent,
  type ApplicationDescription,
  type FoundImages,
} from '@margo-trust/margo';
import {
  gunzip,
  OciFault,
  type Descriptor,
  type ImageManifest,
  type Manifest,
  type OciSource,
  type OciTarget,
} from '@margo-trust/oci';
import type { ReleaseItem } from '@margo-trust/statement';
import type { ArtifactFinder, FoundArtifact } from './artifact-finder.ts';
import { ClientFault } from './fault.ts';

/** One artifact of an application, where it is and what it was called. */
export interface ApplicationPart {
  readonly place: OciTarget;
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly name?: string;
  /** `registry/repository[:tag]`; unknown for a package in a layout. */
  readonly reference?: string;
}

/** A package with everything it leads to. */
export interface Application {
  readonly description: ApplicationDescription;
  readonly package: ApplicationPart;
  readonly components: readonly ApplicationPart[];
  readonly images: readonly ApplicationPart[];
  /** What is not conformant, and what could not be resolved: one sentence each. */
  readonly findings: readonly string[];
}

export interface ApplicationRequest {
  readonly package: Pick<ApplicationPart, 'place' | 'descriptor' | 'reference'>;
  readonly find: ArtifactFinder;
  /** References of images that neither Compose file nor chart tells. */
  readonly extraImages?: readonly string[];
}

/**
 * Walks from an Application Package to its components and their images. Each tag is resolved once.
 *
 * A component that can't be found is a fault: the release would be hollow. An image that can't is a finding.
 */
export async function loadApplication(request: ApplicationRequest): Promise<Application> {
  const { place, descriptor, reference } = request.package;
  const manifest = await place.loadManifest(descriptor);
  const description = parseApplicationDescription(await loadDescription(place, manifest));
  const findings = [...description.findings];
  const components = new Map<string, ApplicationPart>();
  const references = new Set<string>();

  for (const { components: listed, legacyComponents } of description.profiles) {
    for (const component of listed) {
      const text = referenceOfComponent(component);
      if (components.has(text)) continue;
      const part = await loadPart(await request.find(text), component.name);
      components.set(text, part);
      const found = await readImages(part);
      for (const image of found.images) references.add(image);
      findings.push(...found.findings.map((finding) => `${component.name}: ${finding}`));
    }
    for (const { name } of legacyComponents) findings.push(`${name} has no OCI reference: the release leaves it out.`);
  }
  for (const image of request.extraImages ?? []) references.add(image);

  const images: ApplicationPart[] = [];
  for (const text of references) {
    try {
      images.push(await loadPart(await request.find(text)));
    } catch (error) {
      if (!(error instanceof OciFault)) throw error;
      findings.push(`The image ${text} could not be resolved, so the release leaves it out: ${error.message}`);
    }
  }
  const home = { place, descriptor: manifest.descriptor, manifest, ...(reference !== undefined && { reference }) };
  return { description, package: home, components: [...components.values()], images, findings };
}

/** How a release lists a part. */
export function releaseItemOf({ descriptor, manifest, name, reference }: ApplicationPart): ReleaseItem {
  const { mediaType, digest, size } = descriptor;
  return {
    ...(name !== undefined && { name }),
    ...(reference !== undefined && { reference }),
    mediaType,
    digest,
    size,
    ...(manifest.artifactType !== mediaType && { artifactType: manifest.artifactType }),
    ...(manifest.kind === 'index' && {
      manifests: manifest.manifests.map((listed) => ({
        platform: platformText(listed),
        mediaType: listed.mediaType,
        digest: listed.digest,
        size: listed.size,
      })),
    }),
  };
}

/** Attestations and the like stand in an index without a platform. */
function platformText({ platform }: Descriptor): string {
  if (!platform) return 'unknown/unknown';
  const { os, architecture, variant } = platform;
  return [os, architecture, ...(variant ? [variant] : [])].join('/');
}

async function loadPart({ place, descriptor, reference }: FoundArtifact, name?: string): Promise<ApplicationPart> {
  const manifest = await place.loadManifest(descriptor);
  return { place, descriptor: manifest.descriptor, manifest, reference, ...(name !== undefined && { name }) };
}

/**
 * The id that an Application Package calls itself by; undefined for any other artifact. A package whose description cannot
 * be read is a fault: nobody could say whose application it is.
 */
export async function findApplicationId(place: OciSource, manifest: Manifest): Promise<string | undefined> {
  if (manifest.artifactType !== MEDIA.app) return undefined;
  return parseApplicationDescription(await loadDescription(place, manifest)).id;
}

async function loadDescription(place: OciSource, manifest: Manifest): Promise<Uint8Array> {
  const layer = manifest.kind === 'manifest' ? layerOf(manifest, MEDIA.appDescription) : undefined;
  if (manifest.artifactType !== MEDIA.app || !layer) {
    throw new ClientFault(
      'client/not-a-package',
      'The artifact is no Application Package with an application description.',
    );
  }
  return place.loadBlob(layer, 262_144);
}

/** A component of another kind names no images that we could read. */
async function readImages({ place, manifest }: ApplicationPart): Promise<FoundImages> {
  const compose = manifest.kind === 'manifest' ? layerOf(manifest, MEDIA.composeLayer) : undefined;
  if (compose) {
    const archive = parseComposeArchive(await loadArchive(place, compose));
    const { images, findings } = composeImages(archive.compose);
    return { images, findings: [...archive.findings, ...findings] };
  }
  const chart = manifest.kind === 'manifest' ? layerOf(manifest, MEDIA.helmLayer) : undefined;
  if (chart) {
    const archive = parseChartArchive(await loadArchive(place, chart));
    return chartImages(archive.chart, archive.values);
  }
  return { images: [], findings: ['It is neither a Compose Archive nor a Helm chart: its images are unknown.'] };
}

async function loadArchive(place: OciTarget, layer: Descriptor): Promise<Uint8Array> {
  return gunzip(await place.loadBlob(layer), MAX_ARCHIVE_BYTES);
}

function layerOf({ layers }: ImageManifest, mediaType: string): Descriptor | undefined {
  return layers.find((layer) => layer.mediaType === mediaType);
}

const MAX_ARCHIVE_BYTES = 256 << 20;
