import { encodeUtf8, parseJson } from '@margo-trust/bytes';
import { isDigest } from './artifact.ts';
import { StatementFault } from './fault.ts';
import { isPlainText, isReference } from './text.ts';

/** One artifact that a release pins. `reference` is where it was resolved from, without digest. */
export interface ReleaseItem {
  readonly name?: string;
  readonly reference?: string;
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  /** For an image index: the manifests it held, one per platform. */
  readonly manifests?: readonly PlatformManifest[];
}

export interface PlatformManifest {
  /** `os/architecture[/variant]`. */
  readonly platform: string;
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** What a vendor published as one version of one application: every digest in the graph (signing profile, "Statements"). */
export interface Release {
  readonly applicationId: string;
  readonly version: string;
  readonly package: ReleaseItem;
  readonly components: readonly ReleaseItem[];
  readonly images: readonly ReleaseItem[];
}

const TYPE = 'margo.release.v1';
const MAX_ITEMS = 4096;

/** `sub` of a release statement. */
export function releaseSubject(applicationId: string, version: string): string {
  return `release:${applicationId}@${version}`;
}

/** The payload of a release statement; members in fixed order, so equal releases have equal bytes. */
export function encodeRelease(release: Release): Uint8Array {
  return encodeUtf8(
    JSON.stringify({
      type: TYPE,
      applicationId: release.applicationId,
      version: release.version,
      package: orderedItem(release.package),
      components: release.components.map(orderedItem),
      images: release.images.map(orderedItem),
    }),
  );
}

/** Reads a release payload. Unknown members are ignored, known ones must have their type. */
export function parseRelease(payload: Uint8Array): Release {
  const value = parseJson(payload, { maxBytes: 1 << 20, maxDepth: 8 });
  if (!isObject(value) || value['type'] !== TYPE) bad(`the type must be "${TYPE}"`);
  const { applicationId, version } = value;
  // margo ApplicationDescription: ^[-a-z0-9]{1,200}$; older ids carry dots, so both are read
  if (typeof applicationId !== 'string' || !/^[-a-z0-9.]{1,200}$/.test(applicationId)) bad('applicationId is not one');
  if (!isPlainText(version, 128)) bad('version must be a text of 1 to 128 characters');
  return {
    applicationId,
    version,
    package: parseItem(value['package']),
    components: parseItems(value['components'], 'components'),
    images: parseItems(value['images'], 'images'),
  };
}

function parseItems(value: unknown, what: string): ReleaseItem[] {
  if (!Array.isArray(value) || value.length > MAX_ITEMS) bad(`${what} must be a list of at most ${MAX_ITEMS}`);
  return value.map(parseItem);
}

function parseItem(value: unknown): ReleaseItem {
  if (!isObject(value)) bad('an artifact must be an object');
  const { name, reference, artifactType, manifests } = value;
  if (name !== undefined && !isPlainText(name, 256)) bad('a name must be a text');
  if (reference !== undefined && !isReference(reference)) bad('a reference must be a text');
  if (artifactType !== undefined && !isPlainText(artifactType, 255)) bad('an artifactType must be a media type');
  return {
    ...(name !== undefined && { name }),
    ...(reference !== undefined && { reference }),
    ...parseDescriptor(value),
    ...(artifactType !== undefined && { artifactType }),
    ...(manifests !== undefined && { manifests: parseManifests(manifests) }),
  };
}

function parseManifests(value: unknown): PlatformManifest[] {
  if (!Array.isArray(value) || value.length > 256) bad('manifests must be a list of at most 256');
  return value.map((manifest) => {
    if (!isObject(manifest) || !isPlainText(manifest['platform'], 128)) bad('a manifest must name its platform');
    return { platform: manifest['platform'], ...parseDescriptor(manifest) };
  });
}

function parseDescriptor({ mediaType, digest, size }: Record<string, unknown>): {
  mediaType: string;
  digest: string;
  size: number;
} {
  if (!isPlainText(mediaType, 255)) bad('a mediaType must be a media type');
  if (!isDigest(digest)) bad('a digest must be sha256:<64 hex>');
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) bad('a size must be a number of bytes');
  return { mediaType, digest, size };
}

function orderedItem({ name, reference, mediaType, digest, size, artifactType, manifests }: ReleaseItem): object {
  return {
    ...(name !== undefined && { name }),
    ...(reference !== undefined && { reference }),
    mediaType,
    digest,
    size,
    ...(artifactType !== undefined && { artifactType }),
    ...(manifests && {
      manifests: manifests.map((m) => ({
        platform: m.platform,
        mediaType: m.mediaType,
        digest: m.digest,
        size: m.size,
      })),
    }),
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bad(message: string): never {
  throw new StatementFault('statement/bad-release', `In the release, ${message}.`);
}
