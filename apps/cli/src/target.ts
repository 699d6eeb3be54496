import { stat } from 'node:fs/promises';
import { MEDIA } from '@margo-trust/margo';
import {
  encodeReference,
  OciLayout,
  OciRegistry,
  parseReference,
  type Descriptor,
  type OciTarget,
  type RegistryOptions,
} from '@margo-trust/oci';
import { CliFault } from './fault.ts';

/** What a command line points at: an artifact somewhere, or a file with evidence. */
export type Target = ArtifactTarget | { readonly kind: 'file'; readonly path: string };

export interface ArtifactTarget {
  readonly kind: 'artifact';
  readonly place: OciTarget;
  /** Resolved once; tags move. */
  readonly descriptor: Descriptor;
  /** `registry/repository:tag`; a layout does not know where its artifacts are published. */
  readonly reference?: string;
}

export interface TargetOptions extends RegistryOptions {
  /** Refuses what only a network can answer. */
  readonly offline?: boolean;
}

/**
 * Reads `registry/repository:tag`, `…@sha256:…`, the path of an image layout with `:tag` or `@sha256:…` (or nothing, if it
 * holds one Application Package), or the path of a file.
 */
export async function openTarget(text: string, options: TargetOptions = {}): Promise<Target> {
  if ((await kindOf(text)) === 'file') return { kind: 'file', path: text };
  return openArtifact(text, options);
}

export async function openArtifact(text: string, options: TargetOptions = {}): Promise<ArtifactTarget> {
  const local = await findLayout(text);
  if (local) return openLayout(local.path, local.tag ?? local.digest);
  if (!namesHost(text)) {
    const advice = 'Check the path; a reference begins with the name of its registry, as in registry.example/app:1.0.';
    throw new CliFault('cli/not-found', `There is neither an image layout nor a file at ${text}.`, advice);
  }
  const parsed = parseReference(text);
  if (parsed.kind !== 'registry') throw new Error('Only a registry is left.');
  if (options.offline) {
    const advice = 'Copy it with its signatures into a layout first (oras cp -r --to-oci-layout), and verify that.';
    throw new CliFault('cli/needs-network', `${text} is in a registry, which can’t be asked offline.`, advice);
  }
  const { registry, repository, tag, digest } = parsed;
  const wanted = digest ?? tag;
  if (wanted === undefined) {
    throw new CliFault('cli/bad-usage', `${text} names neither a tag nor a digest.`, 'Add :tag or @sha256:….');
  }
  const place = new OciRegistry(registry, repository, options);
  const reference = encodeReference({ kind: 'registry', registry, repository, ...(tag !== undefined && { tag }) });
  return { kind: 'artifact', place, descriptor: await place.resolve(wanted), reference };
}

async function openLayout(path: string, wanted: string | undefined): Promise<ArtifactTarget> {
  const place = await OciLayout.open(path);
  return { kind: 'artifact', place, descriptor: await place.resolve(wanted ?? (await onlyPackage(place, path))) };
}

async function onlyPackage(layout: OciLayout, path: string): Promise<string> {
  const packages: string[] = [];
  for (const tag of new Set(await layout.tags())) {
    if ((await layout.resolve(tag)).artifactType === MEDIA.app) packages.push(tag);
  }
  const [only, ...others] = packages;
  if (only === undefined) {
    const advice = 'Name the artifact: LAYOUT:TAG or LAYOUT@sha256:….';
    throw new CliFault('cli/not-found', `${path} holds no Application Package with a tag.`, advice);
  }
  if (others.length > 0) {
    const advice = `Name one of them: ${packages.map((tag) => `${path}:${tag}`).join(', ')}.`;
    throw new CliFault('cli/ambiguous', `${path} holds ${packages.length} Application Packages.`, advice);
  }
  return only;
}

/** A short name such as `redis:7` is more likely a path mistyped than Docker Hub meant. */
function namesHost(text: string): boolean {
  const first = /^(?:oci:\/\/)?([^/]+)\//.exec(text)?.[1] ?? '';
  return !first.startsWith('.') && (/[.:]/.test(first) || first === 'localhost') && !text.startsWith('layout:');
}

/** A directory's own name may hold a colon; so the longest path that exists wins. */
async function findLayout(text: string): Promise<{ path: string; tag?: string; digest?: string } | undefined> {
  const bare = text.startsWith('layout:') ? text.slice('layout:'.length) : text;
  if (bare === '') return undefined;
  if ((await kindOf(bare)) === 'directory') return { path: bare };
  const parsed = parseReference(`layout:${bare}`);
  if (parsed.kind !== 'layout' || (await kindOf(parsed.path)) !== 'directory') return undefined;
  return parsed;
}

async function kindOf(path: string): Promise<'file' | 'directory' | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return 'directory';
  return found ? 'file' : undefined;
}
