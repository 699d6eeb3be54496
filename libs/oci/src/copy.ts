import type { Descriptor } from './descriptor.ts';
import { OciFault } from './fault.ts';
import { MANIFEST_TYPES, MAX_ENTRIES, type Manifest } from './manifest.ts';
import type { OciSource, OciTarget } from './source.ts';

export interface CopyOptions {
  /** Also the referrers of everything copied, and theirs: a signed release, its signatures. Default false. */
  readonly referrers?: boolean;
  /** What to call the artifact there. */
  readonly tag?: string;
  /** Called with each blob and manifest once it is there. */
  readonly onCopied?: (descriptor: Descriptor) => void;
}

/**
 * Copies an artifact byte for byte with everything it is made of, so that every digest and signature stays what it was.
 *
 * Parts go before what names them, subjects before their referrers: whatever a crash leaves behind is whole. At most
 * 10,000 manifests, 16 deep.
 */
export async function copyGraph(
  source: OciSource,
  target: OciTarget,
  descriptor: Descriptor,
  options: CopyOptions = {},
): Promise<{ readonly manifests: number; readonly blobs: number }> {
  const copied = new Set<string>();
  const blobs = new Set<string>();

  const copyBlob = async (blob: Descriptor) => {
    if (blobs.has(blob.digest)) return;
    if (!(await target.hasBlob(blob))) await target.writeBlob(blob, source.openBlob(blob));
    blobs.add(blob.digest);
    options.onCopied?.(blob);
  };

  const copyManifest = async (from: Descriptor, depth: number, tag?: string): Promise<void> => {
    if (copied.has(from.digest)) return;
    copied.add(from.digest);
    if (copied.size > MAX_ENTRIES || depth > 16) throw new OciFault('oci/too-many', 'The artifact has too many parts.');
    const manifest = await source.loadManifest(from);
    for (const part of partsOf(manifest)) {
      if (MANIFEST_TYPES.includes(part.mediaType)) await copyManifest(part, depth + 1);
      else await copyBlob(part);
    }
    await target.writeManifest(manifest.bytes, { nested: depth > 0, ...(tag !== undefined && { tag }) });
    options.onCopied?.(manifest.descriptor);
    if (!options.referrers) return;
    for (const referrer of await source.referrers(from.digest)) await copyManifest(referrer, depth + 1);
  };

  await copyManifest(descriptor, 0, options.tag);
  return { manifests: copied.size, blobs: blobs.size };
}

function partsOf(manifest: Manifest): readonly Descriptor[] {
  return manifest.kind === 'index' ? manifest.manifests : [manifest.config, ...manifest.layers];
}
