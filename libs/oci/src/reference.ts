import { encodeImageName, MargoFault, parseImageName } from '@margo-trust/margo';
import { isDigest } from './descriptor.ts';
import { OciFault } from './fault.ts';

/** Where an artifact is: in a registry, or in an image layout directory. A digest, where given, outweighs the tag. */
export type Reference = RegistryReference | LayoutReference;

export interface RegistryReference {
  readonly kind: 'registry';
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}

export interface LayoutReference {
  readonly kind: 'layout';
  readonly path: string;
  readonly tag?: string;
  readonly digest?: string;
}

/**
 * Reads `[oci://]registry/repository[:tag][@digest]` or `layout:directory[:tag][@digest]`.
 *
 * Short names mean what container engines make of them: `redis` is `docker.io/library/redis`. No tag is invented.
 */
export function parseReference(text: string): Reference {
  if (text.startsWith('layout:')) return parseLayoutReference(text.slice('layout:'.length));
  try {
    return { kind: 'registry', ...parseImageName(text.replace(/^oci:\/\//, '')) };
  } catch (cause) {
    if (!(cause instanceof MargoFault)) throw cause;
    throw new OciFault('oci/bad-reference', `${JSON.stringify(text.slice(0, 200))} is not a reference.`, { cause });
  }
}

/** {@link parseReference} reads it back unchanged. */
export function encodeReference(reference: Reference): string {
  if (reference.kind === 'registry') return encodeImageName(reference);
  const { path, tag, digest } = reference;
  return `layout:${path}${tag ? `:${tag}` : ''}${digest ? `@${digest}` : ''}`;
}

function parseLayoutReference(text: string): LayoutReference {
  const at = text.lastIndexOf('@');
  const digest = at >= 0 && isDigest(text.slice(at + 1)) ? text.slice(at + 1) : undefined;
  const located = digest ? text.slice(0, at) : text;
  const colon = located.lastIndexOf(':');
  const tag = TAG.test(located.slice(colon + 1)) && colon > 0 ? located.slice(colon + 1) : undefined;
  const path = tag ? located.slice(0, colon) : located;
  if (path === '' || path.includes('\0')) throw new OciFault('oci/bad-reference', 'The layout has no directory.');
  return { kind: 'layout', path, ...(tag && { tag }), ...(digest && { digest }) };
}

/** OCI distribution-spec v1.1, *Pulling manifests*. A directory's own name never follows a colon with a slash in it. */
export const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
