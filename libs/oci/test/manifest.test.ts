import { readFileSync } from 'node:fs';
import { encodeUtf8 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { MEDIA } from '@margo-trust/margo';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describe as describeBytes, parseManifest, parseSignatureManifest } from '../src/index.ts';
import { artifact, json } from './samples.ts';

const vector = (name: string) => readFileSync(new URL(`../../../test/vectors/margo/${name}`, import.meta.url));
const blob = describeBytes(encodeUtf8('x'), 'text/plain');
const manifest = { schemaVersion: 2, mediaType: MEDIA.manifest, config: blob, layers: [blob] };
const index = { schemaVersion: 2, mediaType: MEDIA.index, manifests: [blob] };

describe('parseManifest', () => {
  it("reads Margo's example of an Application Package", () => {
    const parsed = parseManifest(vector('application-package-oci-manifest.json'));
    expect(parsed).toMatchObject({
      kind: 'manifest',
      artifactType: MEDIA.app,
      descriptor: { mediaType: MEDIA.manifest },
    });
    expect(parsed.kind === 'manifest' && parsed.layers[0]?.mediaType).toBe(MEDIA.appDescription);
  });

  it('tells the effective artifact type by the config where the manifest has none of its own', () => {
    expect(parseManifest(json({ ...manifest, config: { ...blob, mediaType: MEDIA.helmConfig } })).artifactType).toBe(
      MEDIA.helmConfig,
    );
    expect(parseManifest(json(index)).artifactType).toBe(MEDIA.index);
  });

  it('takes the media type from the transport or the shape where the document leaves it out', () => {
    const { mediaType: _, ...bare } = manifest;
    expect(parseManifest(json(bare), MEDIA.dockerManifest).descriptor.mediaType).toBe(MEDIA.dockerManifest);
    expect(parseManifest(json({ schemaVersion: 2, manifests: [] })).kind).toBe('index');
  });

  it.each([
    ['two kinds in one', json({ ...manifest, manifests: [] }), undefined, 'oci/bad-manifest'],
    ['an index with layers', json({ ...index, layers: [] }), undefined, 'oci/bad-manifest'],
    ['another type than the transport says', json(manifest), MEDIA.index, 'oci/bad-manifest'],
    ['an unknown type', json({ ...manifest, mediaType: 'application/json' }), undefined, 'oci/bad-manifest'],
    ['schema version 1', json({ ...manifest, schemaVersion: 1 }), undefined, 'oci/bad-manifest'],
    ['no config', json({ ...manifest, config: undefined }), undefined, 'oci/bad-manifest'],
    ['layers that are no list', json({ ...manifest, layers: {} }), undefined, 'oci/bad-manifest'],
    [
      'a digest that is a path',
      json({ ...manifest, layers: [{ ...blob, digest: 'sha256:../../x' }] }),
      undefined,
      'oci/bad-digest',
    ],
    [
      'an upper-case digest',
      json({ ...manifest, config: { ...blob, digest: blob.digest.toUpperCase() } }),
      undefined,
      'oci/bad-digest',
    ],
    ['a negative size', json({ ...manifest, config: { ...blob, size: -1 } }), undefined, 'oci/bad-manifest'],
    ['a fractional size', json({ ...manifest, config: { ...blob, size: 1.5 } }), undefined, 'oci/bad-manifest'],
    [
      'a media type with parameters',
      json({ ...manifest, config: { ...blob, mediaType: 'a/b; c=d' } }),
      undefined,
      'oci/bad-manifest',
    ],
    ['annotations that are not text', json({ ...manifest, annotations: { a: 1 } }), undefined, 'oci/bad-manifest'],
    ['a member given twice', encodeUtf8('{"schemaVersion":2,"schemaVersion":2}'), undefined, 'oci/bad-manifest'],
    ['no JSON', encodeUtf8('{'), undefined, 'oci/bad-manifest'],
    ['a list', encodeUtf8('[]'), undefined, 'oci/bad-manifest'],
    ['nesting without end', encodeUtf8('['.repeat(100_000)), undefined, 'oci/bad-manifest'],
    ['more than 4 MiB', new Uint8Array(4 * 1024 * 1024 + 1), undefined, 'oci/too-large'],
    ['more than 10,000 entries', json({ ...index, manifests: Array(10_001).fill(blob) }), undefined, 'oci/too-many'],
  ])('refuses %s', (_, bytes, mediaType, code) => {
    expect(() => parseManifest(bytes, mediaType)).toThrow(expect.objectContaining({ code }));
  });

  it('gives a value or a Fault for any damage', () => {
    const bytes = artifact('text').manifest;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 }),
        (edits) => {
          const damaged = bytes.slice();
          for (const [at, byte] of edits) damaged[at] = byte;
          try {
            parseSignatureManifest(parseManifest(damaged));
          } catch (error) {
            expect(error).toBeInstanceOf(Fault);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
