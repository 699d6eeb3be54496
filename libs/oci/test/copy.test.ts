import { join } from 'node:path';
import { encodeUtf8 } from '@margo-trust/bytes';
import { describe, expect, it } from 'vitest';
import { attachReferrer, attachSignature, copyGraph, findSignatures, OciLayout } from '../src/index.ts';
import { collectAll, temporaryDirectory, writeSample, writeSampleIndex } from './samples.ts';

const root = temporaryDirectory();
let count = 0;
const freshLayout = () => OciLayout.create(join(root, String(count++)));
const signature = { envelope: encodeUtf8('envelope'), chain: [encodeUtf8('leaf')] };

describe('copyGraph', () => {
  it('copies an index with its parts and, if asked, everything said about them, at any depth', async () => {
    const [from, to] = [await freshLayout(), await freshLayout()];
    const index = await writeSampleIndex(from, 'v1');
    const release = await attachReferrer(from, { subject: index, artifactType: 'application/vnd.release', layers: [] });
    const ofRelease = await attachSignature(from, { subject: release, ...signature });
    const ofIndex = await attachSignature(from, { subject: index, ...signature });

    const copied: string[] = [];
    const result = await copyGraph(from, to, index, {
      referrers: true,
      tag: 'v2',
      onCopied: ({ digest }) => copied.push(digest),
    });
    expect(result).toEqual({ manifests: 6, blobs: 4 });
    expect(copied).toHaveLength(10);
    expect(await to.resolve('v2')).toEqual(index);
    expect((await to.referrers(index.digest)).map(({ digest }) => digest).sort()).toEqual(
      [release.digest, ofIndex.digest].sort(),
    );
    expect(await collectAll(findSignatures(to, release))).toMatchObject([{ descriptor: { digest: ofRelease.digest } }]);
  });

  it('leaves referrers behind unless asked', async () => {
    const [from, to] = [await freshLayout(), await freshLayout()];
    const subject = await writeSample(from, 'one', 'v1');
    await attachSignature(from, { subject, ...signature });
    await copyGraph(from, to, subject);
    expect(await to.resolve(subject.digest)).toEqual(subject);
    expect(await to.referrers(subject.digest)).toEqual([]);
  });

  it('names nothing that it could not copy whole', async () => {
    const [from, to] = [await freshLayout(), await freshLayout()];
    const subject = await writeSample(from, 'one', 'v1');
    const manifest = await from.loadManifest(subject);
    const broken = Object.create(from, { openBlob: { value: async function* () {} } }) as OciLayout;
    await expect(copyGraph(broken, to, subject, { tag: 'v1' })).rejects.toMatchObject({ code: 'oci/size-mismatch' });
    expect(await to.tags()).toEqual([]);
    expect(manifest.kind).toBe('manifest');
  });
});
