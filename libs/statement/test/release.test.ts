import { encodeUtf8, parseUtf8 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CONTENT,
  encodeRelease,
  isClaimedApplication,
  isClaimedReference,
  parseRelease,
  readFacts,
  releaseSubject,
  type Release,
} from '../src/index.ts';

const digest = (byte: string) => `sha256:${byte.repeat(32)}`;
const release: Release = {
  applicationId: 'com-example-pump',
  version: '1.0.0',
  package: {
    reference: 'oci://registry.example/acme/pump:1.0.0',
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: digest('01'),
    size: 10,
  },
  components: [
    { name: 'chart', reference: 'registry.example/acme/chart:1', mediaType: 'm/t', digest: digest('02'), size: 20 },
  ],
  images: [
    {
      reference: 'docker.io/library/redis:7',
      mediaType: 'm/i',
      digest: digest('03'),
      size: 30,
      manifests: [{ platform: 'linux/amd64', mediaType: 'm/t', digest: digest('04'), size: 40 }],
    },
  ],
};

describe('a release', () => {
  it('reads back as written, the same release always in the same bytes', () => {
    const bytes = encodeRelease(release);
    expect(parseRelease(bytes)).toEqual(release);
    expect(encodeRelease(parseRelease(bytes))).toEqual(bytes);
    expect(releaseSubject(release.applicationId, release.version)).toBe('release:com-example-pump@1.0.0');
  });

  it('speaks of every digest, but claims only package and components', () => {
    expect(readFacts({ contentType: CONTENT.release, payload: encodeRelease(release) })).toEqual({
      applicationId: 'com-example-pump',
      version: '1.0.0',
      digests: [digest('01'), digest('02'), digest('03'), digest('04')],
      references: ['registry.example/acme/pump:1.0.0', 'registry.example/acme/chart:1', 'docker.io/library/redis:7'],
      claimedReferences: ['registry.example/acme/pump:1.0.0', 'registry.example/acme/chart:1'],
    });
  });

  it.each([
    ['another type', { type: 'margo.release.v2' }],
    ['an application id in capitals', { applicationId: 'Com-Example' }],
    ['no version', { version: undefined }],
    ['a digest of another hash', { package: { ...release.package, digest: 'sha512:00' } }],
    ['components that are no list', { components: {} }],
    ['an image that is null', { images: [null] }],
    [
      'a manifest without platform',
      { images: [{ ...release.images[0], manifests: [{ mediaType: 'm/t', digest: digest('05'), size: 1 }] }] },
    ],
    ['a reference with a line break', { components: [{ ...release.components[0], reference: 'a\nb' }] }],
  ])('is refused with %s', (_what, change) => {
    const json = { ...(JSON.parse(parseUtf8(encodeRelease(release))) as object), ...change };
    expect(() => parseRelease(encodeUtf8(JSON.stringify(json)))).toThrow(
      expect.objectContaining({ code: 'statement/bad-release' }),
    );
  });

  it('gives a release or a Fault for any bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.json().map(encodeUtf8)), (bytes) => {
        try {
          parseRelease(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      }),
    );
  });
});

describe('claims', () => {
  const claims = { applicationIdPrefixes: ['com-example-'], ociNamespaces: ['registry.example/acme'] };

  it.each([
    ['com-example-pump', true],
    ['com-example', false],
    ['com-examples-pump', false],
  ])('%s is the vendor’s: %s', (id, expected) => {
    expect(isClaimedApplication(id, claims)).toBe(expected);
  });

  it.each([
    ['registry.example/acme', true],
    ['registry.example/acme/pump:1', true],
    ['oci://registry.example/acme:1', true],
    ['registry.example/acme@sha256:00', true],
    ['registry.example/acme-evil/pump', false],
    ['registry.example/acm', false],
    ['evil.example/registry.example/acme', false],
  ])('%s lies in the vendor’s namespace: %s', (reference, expected) => {
    expect(isClaimedReference(reference, claims)).toBe(expected);
  });
});
