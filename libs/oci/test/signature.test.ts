import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { encodeUtf8, parseUtf8 } from '@margo-trust/bytes';
import { MEDIA } from '@margo-trust/margo';
import { describe, expect, it } from 'vitest';
import {
  attachReferrer,
  attachSignature,
  describe as describeBytes,
  encodeSignatureManifest,
  findSignatures,
  OciLayout,
  parseManifest,
  parseSignatureManifest,
  type Descriptor,
} from '../src/index.ts';
import { collectAll, json, temporaryDirectory, writeSample } from './samples.ts';

const root = temporaryDirectory();
let count = 0;
const freshLayout = () => OciLayout.create(join(root, String(count++)));
const envelope = encodeUtf8('envelope');
const chain = [encodeUtf8('leaf'), encodeUtf8('root')];
const thumbprints = chain.map((der) => createHash('sha256').update(der).digest('hex'));
const subject = describeBytes(encodeUtf8('subject'), MEDIA.manifest);
const NOTARY = 'application/vnd.cncf.notary.signature';

describe('encodeSignatureManifest', () => {
  it('writes the one shape that every client was seen to accept', () => {
    const { manifest, descriptor } = encodeSignatureManifest({
      subject: { ...subject, artifactType: MEDIA.app },
      envelope,
      chain,
    });
    expect(JSON.parse(parseUtf8(manifest))).toEqual({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: NOTARY,
      config: {
        mediaType: NOTARY,
        digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
        size: 2,
      },
      layers: [describeBytes(envelope, 'application/cose')],
      subject,
      annotations: { 'io.cncf.notary.x509chain.thumbprint#S256': JSON.stringify(thumbprints) },
    });
    expect(descriptor).toEqual({ ...describeBytes(manifest, MEDIA.manifest), artifactType: NOTARY });
  });

  it('gives the same bytes for the same signature', () => {
    expect(encodeSignatureManifest({ subject, envelope, chain }).manifest).toEqual(
      encodeSignatureManifest({ subject, envelope, chain }).manifest,
    );
  });
});

describe('parseSignatureManifest', () => {
  const layer = describeBytes(envelope, 'application/cose');
  const config = describeBytes(encodeUtf8('{}'), NOTARY);
  const base = { schemaVersion: 2, mediaType: MEDIA.manifest, config, layers: [layer], subject };
  const parse = (value: object) => parseSignatureManifest(parseManifest(json(value)));

  it.each([
    ['ours (B1)', { ...base, artifactType: NOTARY }],
    ["notation's own (B2)", base],
    ["SUP-03's with an empty config (B3)", { ...base, config: describeBytes(new Uint8Array(), NOTARY) }],
    [
      'one with only the artifact type (B4)',
      { ...base, artifactType: NOTARY, config: { ...config, mediaType: MEDIA.empty } },
    ],
  ])('reads %s', (_, value) => {
    expect(parse(value)).toEqual({ subject, envelope: layer, envelopeType: 'application/cose', thumbprints: [] });
  });

  it('reads JWS envelopes and thumbprints', () => {
    const annotations = { 'io.cncf.notary.x509chain.thumbprint#S256': JSON.stringify(thumbprints) };
    const parsed = parse({ ...base, layers: [{ ...layer, mediaType: 'application/jose+json' }], annotations });
    expect(parsed).toMatchObject({ envelopeType: 'application/jose+json', thumbprints });
  });

  it.each([
    ['no subject', { ...base, subject: undefined }],
    ['another type', { ...base, config: { ...config, mediaType: MEDIA.empty } }],
    ['no layer', { ...base, layers: [] }],
    ['two layers', { ...base, layers: [layer, layer] }],
    ['another envelope', { ...base, layers: [{ ...layer, mediaType: 'application/json' }] }],
  ])('refuses %s', (_, value) => {
    expect(() => parse(value)).toThrow(expect.objectContaining({ code: 'oci/not-a-signature' }));
  });
});

describe('findSignatures', () => {
  it('gives the good ones whatever else calls itself a signature', async () => {
    const layout = await freshLayout();
    const target = await writeSample(layout, 'app', '1.0.0');
    await attachReferrer(layout, { subject: target, artifactType: NOTARY, layers: [] });
    await attachReferrer(layout, {
      subject: target,
      artifactType: NOTARY,
      layers: [{ mediaType: 'application/cose', data: new Uint8Array(1_048_577) }],
    });
    await attachReferrer(layout, { subject: target, artifactType: 'application/vnd.note', layers: [] });
    const good = await attachSignature(layout, { subject: target, envelope, chain });
    const found = await collectAll(findSignatures(layout, target));
    expect(found).toMatchObject([
      { fault: { code: 'oci/not-a-signature' } },
      { fault: { code: 'oci/too-large' } },
      { descriptor: { digest: good.digest }, envelope, thumbprints },
    ]);
    expect(await collectAll(findSignatures(layout, target, { maxSignatures: 1 }))).toHaveLength(1);
  });

  it('never takes a signature for another artifact, even if the place lists it', async () => {
    const layout = await freshLayout();
    const [one, two] = [await writeSample(layout, 'one'), await writeSample(layout, 'two')];
    const signature = await attachSignature(layout, { subject: one, envelope, chain });
    const liar: Pick<OciLayout, 'referrers' | 'loadManifest' | 'loadBlob'> = {
      referrers: () => Promise.resolve([signature]),
      loadManifest: (descriptor) => layout.loadManifest(descriptor),
      loadBlob: (descriptor: Descriptor) => layout.loadBlob(descriptor),
    };
    expect(await collectAll(findSignatures(liar as OciLayout, two))).toMatchObject([
      { fault: { code: 'oci/not-a-signature' } },
    ]);
  });
});
