import { MEDIA } from '@margo-trust/margo';
import { describe, type Descriptor } from './descriptor.ts';
import { encodeJson } from './json.ts';
import type { OciTarget } from './source.ts';

export interface Referrer {
  readonly subject: Descriptor;
  readonly artifactType: string;
  /** Default: the OCI empty config. */
  readonly config?: { readonly mediaType: string; readonly data: Uint8Array };
  readonly layers: readonly {
    readonly mediaType: string;
    readonly data: Uint8Array;
    readonly annotations?: Readonly<Record<string, string>>;
  }[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface EncodedArtifact {
  readonly manifest: Uint8Array;
  readonly descriptor: Descriptor;
  readonly blobs: readonly { readonly descriptor: Descriptor; readonly data: Uint8Array }[];
}

/** The body of the OCI empty config, which is also that of a Notary signature's config. */
export const EMPTY_JSON: Uint8Array = Uint8Array.of(0x7b, 0x7d);

/** The manifest of an artifact about another one (OCI image-spec v1.1, `subject`). The same input gives the same bytes. */
export function encodeReferrer(referrer: Referrer): EncodedArtifact {
  const config = referrer.config ?? { mediaType: MEDIA.empty, data: EMPTY_JSON };
  const { mediaType, digest, size } = referrer.subject;
  const layers = referrer.layers.map(({ mediaType: type, data, annotations }) => ({
    descriptor: { ...describe(data, type), ...(annotations && { annotations }) },
    data,
  }));
  const configDescriptor = describe(config.data, config.mediaType);
  const manifest = encodeJson({
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    artifactType: referrer.artifactType,
    config: configDescriptor,
    layers: layers.map(({ descriptor }) => descriptor),
    subject: { mediaType, digest, size },
    ...(referrer.annotations && { annotations: referrer.annotations }),
  });
  return {
    manifest,
    descriptor: { ...describe(manifest, MEDIA.manifest), artifactType: referrer.artifactType },
    blobs: [{ descriptor: configDescriptor, data: config.data }, ...layers],
  };
}

/** Stores an artifact about another one where that one lives. */
export async function attachReferrer(target: OciTarget, referrer: Referrer): Promise<Descriptor> {
  return writeArtifact(target, encodeReferrer(referrer));
}

export async function writeArtifact(target: OciTarget, { manifest, blobs }: EncodedArtifact): Promise<Descriptor> {
  for (const { descriptor, data } of blobs) await target.writeBlob(descriptor, data);
  return target.writeManifest(manifest);
}
