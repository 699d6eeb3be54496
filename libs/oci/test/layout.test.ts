import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeUtf8 } from '@margo-trust/bytes';
import { MEDIA } from '@margo-trust/margo';
import { describe, expect, it } from 'vitest';
import { attachReferrer, describe as describeBytes, OciLayout, openReference } from '../src/index.ts';
import { artifact, collectAll, json, temporaryDirectory, writeSample, writeSampleIndex } from './samples.ts';

const root = temporaryDirectory();
let count = 0;
const freshDirectory = () => join(root, `layout-${count++}`);
const freshLayout = () => OciLayout.create(freshDirectory());
const indexOf = (layout: OciLayout) =>
  JSON.parse(readFileSync(join(layout.name.slice('layout:'.length), 'index.json'), 'utf8')) as {
    manifests: { digest: string; annotations?: Record<string, string> }[];
  };
const blobPath = (layout: OciLayout, digest: string) =>
  join(layout.name.slice('layout:'.length), 'blobs/sha256', digest.slice(7));
const layer = { mediaType: 'text/plain', data: encodeUtf8('note') };

describe('OciLayout', () => {
  it('keeps artifacts under tags and full references', async () => {
    const layout = await freshLayout();
    const one = await writeSample(layout, 'one', '1.0.0');
    const two = await writeSample(layout, 'two', 'registry.example/acme/part:1.0.0');
    const again = await OciLayout.open(layout.name.slice('layout:'.length));
    expect(await again.resolve('1.0.0')).toEqual(one);
    expect(await again.resolve('registry.example/acme/part:1.0.0')).toEqual(two);
    expect(await again.resolve(one.digest)).toEqual(one);
    expect(await again.tags()).toEqual(['1.0.0', 'registry.example/acme/part:1.0.0']);
    expect(one.artifactType).toBe(MEDIA.app);
  });

  it('moves a tag to the artifact written last', async () => {
    const layout = await freshLayout();
    await writeSample(layout, 'one', 'latest');
    const two = await writeSample(layout, 'two', 'latest');
    expect(await layout.resolve('latest')).toEqual(two);
    expect(indexOf(layout).manifests).toHaveLength(1);
  });

  it('annotates every artifact for cosign, but not referrers', async () => {
    const layout = await freshLayout();
    const subject = await writeSample(layout, 'one', '1.0.0');
    await attachReferrer(layout, { subject, artifactType: 'application/vnd.note', layers: [layer] });
    expect(indexOf(layout).manifests.map((entry) => entry.annotations)).toEqual([
      { kind: 'dev.cosignproject.cosign/image', 'org.opencontainers.image.ref.name': '1.0.0' },
      undefined,
    ]);
  });

  it('names the parts of an index only in the index', async () => {
    const layout = await freshLayout();
    const index = await writeSampleIndex(layout, 'v1');
    expect(indexOf(layout).manifests.map(({ digest }) => digest)).toEqual([index.digest]);
    expect((await layout.loadManifest(index)).kind).toBe('index');
  });

  it('finds referrers by their subject, of an index and of its parts too, and filters by type', async () => {
    const layout = await freshLayout();
    const subject = await writeSampleIndex(layout, 'v1');
    const note = await attachReferrer(layout, {
      subject,
      artifactType: 'application/vnd.note',
      layers: [layer],
      annotations: { a: 'b' },
    });
    const other = await attachReferrer(layout, { subject, artifactType: 'application/vnd.other', layers: [layer] });
    const nested = await attachReferrer(layout, {
      subject: note,
      artifactType: 'application/vnd.note',
      layers: [layer],
    });
    expect(await layout.referrers(subject.digest)).toEqual([{ ...note, annotations: { a: 'b' } }, other]);
    expect(await layout.referrers(subject.digest, 'application/vnd.other')).toEqual([other]);
    expect(await layout.referrers(note.digest)).toEqual([nested]);
  });

  it('finds referrers that only a referrers tag lists, as a copy from an old registry has them', async () => {
    const layout = await freshLayout();
    const subject = await writeSample(layout, 'one', '1.0.0');
    const note = json({
      schemaVersion: 2,
      mediaType: MEDIA.manifest,
      artifactType: 'application/vnd.note',
      config: describeBytes(encodeUtf8('{}'), MEDIA.empty),
      layers: [],
      subject,
    });
    const described = describeBytes(note, MEDIA.manifest);
    await layout.writeBlob(described, note);
    await layout.writeManifest(json({ schemaVersion: 2, mediaType: MEDIA.index, manifests: [described] }), {
      tag: subject.digest.replace(':', '-'),
    });
    expect((await layout.referrers(subject.digest)).map(({ digest }) => digest)).toEqual([described.digest]);
  });

  it('takes a referrer away', async () => {
    const layout = await freshLayout();
    const subject = await writeSample(layout, 'one', '1.0.0');
    const note = await attachReferrer(layout, { subject, artifactType: 'application/vnd.note', layers: [layer] });
    await expect(layout.removeReferrer(note.digest, note)).rejects.toMatchObject({ code: 'oci/not-found' });
    await layout.removeReferrer(subject.digest, note);
    expect(await layout.referrers(subject.digest)).toEqual([]);
    expect(await layout.tags()).toEqual(['1.0.0']);
  });

  it('streams blobs in and out', async () => {
    const layout = await freshLayout();
    const bytes = new Uint8Array(300_000).map((_, index) => index % 251);
    const descriptor = describeBytes(bytes, 'application/octet-stream');
    const halves = (async function* () {
      yield bytes.subarray(0, 100_000);
      yield await Promise.resolve(bytes.subarray(100_000));
    })();
    await layout.writeBlob(descriptor, halves);
    expect(Buffer.concat(await collectAll(layout.openBlob(descriptor))).equals(bytes)).toBe(true);
    expect(await layout.hasBlob(descriptor)).toBe(true);
    expect(await layout.hasBlob({ ...descriptor, size: 1 })).toBe(false);
  });

  it('leaves nothing behind when a blob is not what it was described as', async () => {
    const layout = await freshLayout();
    const bytes = encodeUtf8('true');
    const descriptor = describeBytes(encodeUtf8('lies'), 'text/plain');
    await expect(layout.writeBlob(descriptor, bytes)).rejects.toMatchObject({ code: 'oci/digest-mismatch' });
    await expect(layout.writeBlob({ ...descriptor, size: 3 }, bytes)).rejects.toMatchObject({
      code: 'oci/size-mismatch',
    });
    const directory = layout.name.slice('layout:'.length);
    expect(readdirSync(directory).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
    expect(readdirSync(join(directory, 'blobs/sha256'))).toEqual([]);
  });

  it('keeps all entries when many are written at once, and those of other tools as they are', async () => {
    const layout = await freshLayout();
    const path = join(layout.name.slice('layout:'.length), 'index.json');
    const foreign = { ...artifact('foreign').descriptor, data: 'e30=', annotations: { 'vnd.tool': 'x' } };
    writeFileSync(path, JSON.stringify({ schemaVersion: 2, manifests: [foreign] }));
    const tags = Array.from({ length: 20 }, (_, n) => `v${n}`);
    await Promise.all(tags.map((tag) => writeSample(layout, tag, tag)));
    expect((await layout.tags()).sort()).toEqual([...tags].sort());
    expect(indexOf(layout).manifests[0]).toEqual(foreign);
  });

  it('refuses a blob that was changed on disk', async () => {
    const layout = await freshLayout();
    const descriptor = await writeSample(layout, 'one', '1.0.0');
    const path = blobPath(layout, descriptor.digest);
    const bytes = readFileSync(path);
    bytes[10]! ^= 1;
    writeFileSync(path, bytes);
    await expect(layout.resolve('1.0.0')).rejects.toMatchObject({ code: 'oci/digest-mismatch' });
    await expect(collectAll(layout.openBlob(descriptor))).rejects.toMatchObject({ code: 'oci/digest-mismatch' });
    writeFileSync(path, 'short');
    await expect(layout.loadBlob(descriptor)).rejects.toMatchObject({ code: 'oci/size-mismatch' });
  });

  it('follows neither links nor pipes', async () => {
    const layout = await freshLayout();
    const descriptor = await writeSample(layout, 'one', '1.0.0');
    const path = blobPath(layout, descriptor.digest);
    unlinkSync(path);
    symlinkSync('/etc/hostname', path);
    await expect(layout.resolve('1.0.0')).rejects.toMatchObject({ code: 'oci/not-found' });
    unlinkSync(path);
    execFileSync('mkfifo', [path]);
    await expect(layout.resolve('1.0.0')).rejects.toMatchObject({ code: 'oci/not-found' });
  });

  it('reads a sparse layout as far as it goes', async () => {
    const layout = await freshLayout();
    const subject = await writeSample(layout, 'one', '1.0.0');
    const note = await attachReferrer(layout, { subject, artifactType: 'application/vnd.note', layers: [layer] });
    const gone = await writeSample(layout, 'two', '2.0.0');
    unlinkSync(blobPath(layout, gone.digest));
    const again = await OciLayout.open(layout.name.slice('layout:'.length));
    expect(await again.referrers(subject.digest)).toEqual([note]);
  });

  it.each([
    ['no directory', undefined, undefined, 'oci/not-found'],
    ['another version', '{"imageLayoutVersion":"2.0.0"}', '{"manifests":[]}', 'oci/bad-layout'],
    ['no index', '{"imageLayoutVersion":"1.0.0"}', undefined, 'oci/bad-layout'],
    ['an index without a list', '{"imageLayoutVersion":"1.0.0"}', '{}', 'oci/bad-layout'],
    ['an entry without a digest', '{"imageLayoutVersion":"1.0.0"}', '{"manifests":[{}]}', 'oci/bad-manifest'],
    [
      'too many entries',
      '{"imageLayoutVersion":"1.0.0"}',
      JSON.stringify({ manifests: Array(10_001).fill({}) }),
      'oci/too-many',
    ],
    ['an endless index', '{"imageLayoutVersion":"1.0.0"}', ' '.repeat(4 * 1024 * 1024 + 1), 'oci/too-large'],
  ])('refuses %s', async (_, marker, index, code) => {
    const directory = freshDirectory();
    if (marker) {
      await OciLayout.create(directory);
      writeFileSync(join(directory, 'oci-layout'), marker);
      unlinkSync(join(directory, 'index.json'));
      if (index) writeFileSync(join(directory, 'index.json'), index);
    }
    await expect(OciLayout.open(directory)).rejects.toMatchObject({ code });
  });

  it('refuses a name that two artifacts share', async () => {
    const layout = await freshLayout();
    const entries = [await writeSample(layout, 'one'), await writeSample(layout, 'two')];
    const named = entries.map((entry) => ({ ...entry, annotations: { 'org.opencontainers.image.ref.name': 'v1' } }));
    writeFileSync(join(layout.name.slice('layout:'.length), 'index.json'), JSON.stringify({ manifests: named }));
    await expect(layout.resolve('v1')).rejects.toMatchObject({ code: 'oci/bad-layout' });
  });

  it('is opened by reference', async () => {
    const layout = await freshLayout();
    const descriptor = await writeSample(layout, 'one', '1.0.0');
    const { place, reference } = await openReference(`${layout.name}:1.0.0`);
    expect(await place.resolve(reference)).toEqual(descriptor);
    await expect(openReference(layout.name)).rejects.toMatchObject({ code: 'oci/bad-reference' });
  });
});
