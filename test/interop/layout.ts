/** Reads an OCI image layout as the clients see it (OCI image-spec v1.1, image-layout.md). */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeCoseSign1, parseCoseSign1 } from '@margo-trust/cose';

export type Kind = 'package' | 'chart' | 'compose' | 'index' | 'release';

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  annotations?: Record<string, string>;
  [member: string]: unknown;
}

interface Manifest {
  mediaType?: string;
  artifactType?: string;
  config?: Descriptor;
  layers?: Descriptor[];
  manifests?: Descriptor[];
  subject?: Descriptor;
}

const NOTARY_SIGNATURE = 'application/vnd.cncf.notary.signature';

const KINDS: Record<string, Kind> = {
  'application/vnd.margo.app.v1+json': 'package',
  'application/vnd.org.margo.component.compose+json': 'compose',
  'application/vnd.cncf.helm.config.v1+json': 'chart',
  'application/vnd.margo.trust.release.v1+json': 'release',
};

/**
 * The manifests of one kind that carry a signature, from what `index.json` lists. None is an error: a suite that looks at
 * nothing proves nothing.
 */
export async function loadSigned(layout: string, kind: Kind): Promise<string[]> {
  const { manifests = [] } = await readJson(join(layout, 'index.json'));
  const found = new Map<string, Manifest>();
  for (const { digest } of manifests) found.set(digest, await readManifest(layout, digest));

  const signed = new Set([...found.values()].filter(isSignature).map(({ subject }) => subject?.digest));
  const digests = [...found].flatMap(([digest, manifest]) => (kindOf(manifest) === kind ? [digest] : []));
  const result = digests.filter((digest) => signed.has(digest));
  if (result.length === 0) throw new Error(`${layout} holds no signed ${kind}.`);
  return result;
}

/** The digest that a tag of the layout stands for. */
export async function readTagged(layout: string, tag: string): Promise<string> {
  const { manifests = [] } = await readJson(join(layout, 'index.json'));
  const found = manifests.find(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] === tag);
  if (!found) throw new Error(`${layout} has no tag ${tag}.`);
  return found.digest;
}

/**
 * Replaces every signature of the layout by one whose envelope differs in its last bit: the COSE_Sign1 ends with its signature
 * (RFC 9052 §4.2), so everything around stays well-formed and every digest is right.
 */
export async function spoilSignatures(layout: string): Promise<void> {
  await changeSignatures(layout, (bytes) => {
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    return bytes;
  });
}

/** Takes the time-stamps away from every signature: they are in the header that is not signed. */
export async function removeTimestamps(layout: string): Promise<void> {
  await changeSignatures(layout, (bytes) => {
    const cose = parseCoseSign1(bytes);
    const unprotectedHeader = new Map(cose.unprotectedHeader);
    if (!unprotectedHeader.delete('io.cncf.notary.timestampSignature')) throw new Error('There is no time-stamp.');
    return encodeCoseSign1({ ...cose, unprotectedHeader });
  });
}

/** Every envelope is replaced by what `change` makes of it, and what refers to it follows. */
async function changeSignatures(layout: string, change: (envelope: Uint8Array) => Uint8Array): Promise<void> {
  const indexPath = join(layout, 'index.json');
  const index = await readJson(indexPath);
  for (const listed of index.manifests ?? []) {
    const manifest = await readManifest(layout, listed.digest);
    const envelope = manifest.layers?.[0];
    if (!isSignature(manifest) || envelope === undefined) continue;

    const bytes = change(new Uint8Array(await readFile(blobPath(layout, envelope.digest))));
    envelope.digest = await writeBlob(layout, bytes);
    envelope.size = bytes.length;

    const encoded = Buffer.from(JSON.stringify(manifest));
    listed.digest = await writeBlob(layout, encoded);
    listed.size = encoded.length;
  }
  await writeFile(indexPath, JSON.stringify(index));
}

function kindOf(manifest: Manifest): Kind | undefined {
  if (manifest.manifests !== undefined) return 'index';
  return KINDS[manifest.artifactType ?? ''] ?? KINDS[manifest.config?.mediaType ?? ''];
}

function isSignature(manifest: Manifest): boolean {
  return manifest.config?.mediaType === NOTARY_SIGNATURE;
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
