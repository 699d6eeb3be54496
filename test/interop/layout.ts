/** Reads an OCI image layout as the clients see it (OCI image-spec v1.1, image-layout.md). */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export type Kind = 'package' | 'chart' | 'compose' | 'index' | 'image' | 'release' | 'signature' | 'other';

export interface Entry {
  readonly kind: Kind;
  readonly digest: string;
}

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  [member: string]: unknown;
}

interface Manifest {
  mediaType?: string;
  artifactType?: string;
  config?: Descriptor;
  layers?: Descriptor[];
  manifests?: Descriptor[];
}

const NOTARY_SIGNATURE = 'application/vnd.cncf.notary.signature';

const KINDS: Record<string, Kind> = {
  'application/vnd.margo.app.v1+json': 'package',
  'application/vnd.org.margo.component.compose+json': 'compose',
  'application/vnd.cncf.helm.config.v1+json': 'chart',
  'application/vnd.oci.image.config.v1+json': 'image',
  'application/vnd.margo.trust.release.v1+json': 'release',
  [NOTARY_SIGNATURE]: 'signature',
};

/** What `index.json` lists: the manifests that clients can name, referrers included. */
export async function listEntries(layout: string): Promise<Entry[]> {
  const { manifests = [] } = await readJson(join(layout, 'index.json'));
  return Promise.all(
    manifests.map(async ({ digest }) => ({ digest, kind: kindOf(await readManifest(layout, digest)) })),
  );
}

/** The entries of one kind; none is an error, because a suite that looks at nothing proves nothing. */
export async function loadEntries(layout: string, kind: Kind): Promise<Entry[]> {
  const found = (await listEntries(layout)).filter((entry) => entry.kind === kind);
  if (found.length === 0) throw new Error(`${layout} holds no ${kind}.`);
  return found;
}

/**
 * Replaces every signature of the layout by one whose envelope differs in its last bit: the COSE_Sign1 ends with its signature
 * (RFC 9052 §4.2), so everything around stays well-formed and every digest is right.
 */
export async function spoilSignatures(layout: string): Promise<void> {
  const indexPath = join(layout, 'index.json');
  const index = await readJson(indexPath);
  for (const listed of index.manifests ?? []) {
    const manifest = await readManifest(layout, listed.digest);
    const envelope = manifest.layers?.[0];
    if (kindOf(manifest) !== 'signature' || envelope === undefined) continue;

    const bytes = await readFile(blobPath(layout, envelope.digest));
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    envelope.digest = await writeBlob(layout, bytes);

    const encoded = Buffer.from(JSON.stringify(manifest));
    listed.digest = await writeBlob(layout, encoded);
    listed.size = encoded.length;
  }
  await writeFile(indexPath, JSON.stringify(index));
}

function kindOf(manifest: Manifest): Kind {
  if (manifest.manifests !== undefined) return 'index';
  return KINDS[manifest.artifactType ?? ''] ?? KINDS[manifest.config?.mediaType ?? ''] ?? 'other';
}

async function readManifest(layout: string, digest: string): Promise<Manifest> {
  return readJson(blobPath(layout, digest));
}

async function readJson(path: string): Promise<Manifest> {
  return JSON.parse(await readFile(path, 'utf8')) as Manifest;
}

async function writeBlob(layout: string, bytes: Uint8Array): Promise<string> {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  await writeFile(blobPath(layout, digest), bytes);
  return digest;
}

function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs', ...digest.split(':'));
}
