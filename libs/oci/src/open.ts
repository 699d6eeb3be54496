import { OciFault } from './fault.ts';
import { OciLayout } from './layout.ts';
import { parseReference } from './reference.ts';
import { OciRegistry, type RegistryOptions } from './registry.ts';
import type { OciTarget } from './source.ts';

/**
 * Opens the place that a reference names (`registry/repository:tag`, `layout:directory@sha256:…`); `reference` is what
 * to {@link OciSource.resolve} there, the digest if there is one. Nothing is fetched from a registry yet.
 */
export async function openReference(
  text: string,
  options: RegistryOptions = {},
): Promise<{ readonly place: OciTarget; readonly reference: string }> {
  const parsed = parseReference(text);
  const reference = parsed.digest ?? parsed.tag;
  if (!reference) throw new OciFault('oci/bad-reference', 'The reference names neither a tag nor a digest.');
  const place =
    parsed.kind === 'layout'
      ? await OciLayout.open(parsed.path)
      : new OciRegistry(parsed.registry, parsed.repository, options);
  return { place, reference };
}
