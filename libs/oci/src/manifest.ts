import { artifactTypeOf, MEDIA } from '@margo-trust/margo';
import { describe, parseAnnotations, parseDescriptor, type Descriptor } from './descriptor.ts';
import { OciFault } from './fault.ts';
import { parseJsonObject, type JsonObject } from './json.ts';

/** A manifest or an index as stored: the bytes that its digest covers, and what they say. */
export type Manifest = ImageManifest | ImageIndex;

interface Stored {
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
  /** The effective type: the manifest's own `artifactType`, else its config's media type; of a plain index, its media type. */
  readonly artifactType: string;
  readonly subject?: Descriptor;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ImageManifest extends Stored {
  readonly kind: 'manifest';
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface ImageIndex extends Stored {
  readonly kind: 'index';
  readonly manifests: readonly Descriptor[];
}

/** Bytes of a manifest. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** Descriptors in one manifest, and referrers of one subject. */
export const MAX_ENTRIES = 10_000;

export const MANIFEST_TYPES: readonly string[] = [MEDIA.manifest, MEDIA.index, MEDIA.dockerManifest, MEDIA.dockerIndex];

/**
 * Reads an image manifest or image index (OCI image-spec v1.1; Docker's schema 2 twins). At most 4 MiB and 10,000
 * descriptors.
 *
 * `mediaType` is what the transport says. It must agree with the document, and the document must not be both kinds at
 * once: otherwise two readers could make two things of one signed digest (CVE-2021-41190).
 */
export function parseManifest(bytes: Uint8Array, mediaType?: string): Manifest {
  if (bytes.length > MAX_MANIFEST_BYTES) throw new OciFault('oci/too-large', 'The manifest is larger than 4 MiB.');
  const json = parseJsonObject(bytes, MAX_MANIFEST_BYTES, 'oci/bad-manifest', 'The manifest');
  if (json['schemaVersion'] !== 2) throw badManifest('its schemaVersion is not 2');
  const type = readMediaType(json, mediaType);
  const isIndex = type === MEDIA.index || type === MEDIA.dockerIndex;
  if (isIndex ? 'config' in json || 'layers' in json : 'manifests' in json) {
    throw badManifest('it could be read as a manifest and as an index');
  }

  const config = isIndex ? undefined : parseDescriptor(json['config']);
  const written = json['artifactType'];
  const artifactType = artifactTypeOf({
    mediaType: type,
    artifactType: typeof written === 'string' ? written : undefined,
    config,
  });
  const stored: Stored = {
    bytes,
    descriptor: { ...describe(bytes, type), ...(artifactType !== type && { artifactType }) },
    artifactType,
    annotations: parseAnnotations(json['annotations']),
    ...(json['subject'] !== undefined && json['subject'] !== null && { subject: parseDescriptor(json['subject']) }),
  };
  return config
    ? { ...stored, kind: 'manifest', config, layers: parseDescriptors(json['layers']) }
    : { ...stored, kind: 'index', manifests: parseDescriptors(json['manifests']) };
}

/** The document may leave its type out, and so may the transport; then its shape decides. */
function readMediaType(json: JsonObject, fromTransport: string | undefined): string {
  const fromDocument = json['mediaType'];
  if (fromDocument !== undefined && fromTransport !== undefined && fromDocument !== fromTransport) {
    throw badManifest('it calls itself another media type than whoever delivered it');
  }
  const type = fromDocument ?? fromTransport ?? ('manifests' in json ? MEDIA.index : MEDIA.manifest);
  if (typeof type !== 'string' || !MANIFEST_TYPES.includes(type)) throw badManifest('its media type is not supported');
  return type;
}

function parseDescriptors(value: unknown): Descriptor[] {
  if (!Array.isArray(value)) throw badManifest('a list of descriptors is missing');
  if (value.length > MAX_ENTRIES) throw new OciFault('oci/too-many', 'The manifest has more than 10,000 entries.');
  return value.map(parseDescriptor);
}

function badManifest(reason: string): OciFault {
  return new OciFault('oci/bad-manifest', `The manifest cannot be used: ${reason}.`);
}
