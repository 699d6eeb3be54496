import { encodeUtf8 } from '@margo-trust/bytes';
import { MEDIA } from '@margo-trust/margo';
import { describe, type Descriptor, type OciLayout } from '@margo-trust/oci';

/** One blob of an artifact that is being packed. */
export interface Part {
  readonly mediaType: string;
  readonly data: Uint8Array;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Artifact {
  readonly artifactType?: string;
  /** Default: the OCI empty config. */
  readonly config?: Part;
  readonly layers: readonly Part[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Writes the artifact with everything it is made of; the same artifact has the same digest every time. */
export async function writeArtifact(
  layout: OciLayout,
  { artifactType, config, layers, annotations }: Artifact,
  options: { readonly tag?: string; readonly nested?: boolean },
): Promise<Descriptor> {
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    ...(artifactType && { artifactType }),
    config: config
      ? await writePart(layout, config)
      : { ...(await writePart(layout, { mediaType: MEDIA.empty, data: encodeUtf8('{}') })), data: 'e30=' },
    layers: await writeParts(layout, layers),
    ...(annotations && { annotations }),
  };
  return layout.writeManifest(encodeUtf8(JSON.stringify(manifest)), options);
}

async function writeParts(layout: OciLayout, parts: readonly Part[]): Promise<Descriptor[]> {
  const descriptors: Descriptor[] = [];
  for (const part of parts) descriptors.push(await writePart(layout, part));
  return descriptors;
}

async function writePart(layout: OciLayout, { mediaType, data, annotations }: Part): Promise<Descriptor> {
  const descriptor = describe(data, mediaType);
  await layout.writeBlob(descriptor, data);
  return { ...descriptor, ...(annotations && { annotations }) };
}
