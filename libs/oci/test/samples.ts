import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeUtf8 } from '@margo-trust/bytes';
import { MEDIA } from '@margo-trust/margo';
import { afterAll } from 'vitest';
import { describe as describeBytes, writeArtifact, type Descriptor, type OciTarget } from '../src/index.ts';

/** A directory that is gone after the test file. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'margo-oci-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export const json = (value: unknown) => encodeUtf8(JSON.stringify(value));

/** An artifact with one layer, different for every text. */
export function artifact(text: string, artifactType: string = MEDIA.app) {
  const config = encodeUtf8('{}');
  const layer = encodeUtf8(text);
  const blobs = [
    { descriptor: describeBytes(config, MEDIA.empty), data: config },
    { descriptor: describeBytes(layer, 'text/plain'), data: layer },
  ];
  const manifest = json({
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    artifactType,
    config: blobs[0]!.descriptor,
    layers: [blobs[1]!.descriptor],
  });
  return { manifest, blobs, descriptor: { ...describeBytes(manifest, MEDIA.manifest), artifactType } };
}

export async function writeSample(target: OciTarget, text: string, tag?: string): Promise<Descriptor> {
  const sample = artifact(text);
  await writeArtifact(target, sample);
  return tag ? target.writeManifest(sample.manifest, { tag }) : sample.descriptor;
}

/** An index of two artifacts, as a multi-platform image is. */
export async function writeSampleIndex(target: OciTarget, tag: string): Promise<Descriptor> {
  const manifests = [];
  for (const architecture of ['amd64', 'arm64']) {
    const sample = artifact(architecture);
    for (const { descriptor, data } of sample.blobs) await target.writeBlob(descriptor, data);
    await target.writeManifest(sample.manifest, { nested: true });
    const { mediaType, digest, size } = sample.descriptor;
    manifests.push({ mediaType, digest, size, platform: { os: 'linux', architecture } });
  }
  return target.writeManifest(json({ schemaVersion: 2, mediaType: MEDIA.index, manifests }), { tag });
}

export async function collectAll<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
