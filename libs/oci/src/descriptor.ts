import { createHash } from 'node:crypto';
import { OciFault } from './fault.ts';
import { isObject, type JsonObject } from './json.ts';

/** A pointer to bytes (OCI image-spec v1.1, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:` and 64 lower-case hex digits. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

/** The descriptor of these bytes. */
export function describe(bytes: Uint8Array, mediaType: string): Descriptor {
  return { mediaType, digest: `sha256:${sha256Hex(bytes)}`, size: bytes.length };
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** SHA-256 only, as everywhere in the registry. */
export function isDigest(text: string): boolean {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

/** Refuses anything but a SHA-256 digest, so that a digest may become part of a path. */
export function verifyDigestForm(text: string): void {
  if (!isDigest(text)) throw new OciFault('oci/bad-digest', 'A digest must be sha256: and 64 lower-case hex digits.');
}

/** A descriptor out of a manifest that may be hostile. Members that are not listed in {@link Descriptor} are left out. */
export function parseDescriptor(value: unknown): Descriptor {
  if (!isObject(value)) throw new OciFault('oci/bad-manifest', 'A descriptor is not an object.');
  const { mediaType, digest, size, artifactType, annotations, platform } = value;
  if (typeof mediaType !== 'string' || !MEDIA_TYPE.test(mediaType)) {
    throw new OciFault('oci/bad-manifest', 'A descriptor has no proper mediaType.');
  }
  if (typeof digest !== 'string') throw new OciFault('oci/bad-manifest', 'A descriptor has no digest.');
  verifyDigestForm(digest);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw new OciFault('oci/bad-manifest', 'A descriptor has no proper size.');
  }
  const parsedPlatform = isObject(platform) ? parsePlatform(platform) : undefined;
  return {
    mediaType,
    digest,
    size,
    ...(typeof artifactType === 'string' && artifactType !== '' && { artifactType }),
    ...(annotations !== undefined && { annotations: parseAnnotations(annotations) }),
    ...(parsedPlatform && { platform: parsedPlatform }),
  };
}

export function parseAnnotations(value: unknown): Record<string, string> {
  if (value === undefined || value === null) return {};
  const entries = isObject(value) ? Object.entries(value) : undefined;
  if (!entries?.every((entry): entry is [string, string] => typeof entry[1] === 'string')) {
    throw new OciFault('oci/bad-manifest', 'Annotations must map text to text.');
  }
  return Object.fromEntries(entries);
}

function parsePlatform({ os, architecture, variant }: JsonObject): Platform | undefined {
  if (typeof os !== 'string' || typeof architecture !== 'string') return undefined;
  return { os, architecture, ...(typeof variant === 'string' && { variant }) };
}

/** RFC 6838 §4.2, without parameters. */
export const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;
