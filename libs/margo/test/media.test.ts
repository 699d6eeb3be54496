import { describe, expect, it } from 'vitest';
import { artifactTypeOf, MEDIA, resourceMediaType, shortNameOf } from '../src/index.ts';

describe('shortNameOf', () => {
  it.each([
    [{ mediaType: MEDIA.manifest, artifactType: MEDIA.app, config: { mediaType: MEDIA.empty } }, 'app'],
    [{ mediaType: MEDIA.manifest, artifactType: MEDIA.compose, config: { mediaType: MEDIA.empty } }, 'compose'],
    [{ mediaType: MEDIA.manifest, config: { mediaType: MEDIA.helmConfig } }, 'helm'],
    [{ mediaType: MEDIA.manifest, config: { mediaType: MEDIA.imageConfig } }, 'image'],
    [{ mediaType: MEDIA.dockerManifest, config: { mediaType: MEDIA.dockerConfig } }, 'image'],
    [{ mediaType: MEDIA.index }, 'index'],
    [{ mediaType: MEDIA.manifest, artifactType: MEDIA.release, config: { mediaType: MEDIA.empty } }, 'release'],
    [
      { mediaType: MEDIA.manifest, artifactType: 'application/vnd.other', config: { mediaType: MEDIA.empty } },
      'artifact',
    ],
  ])('calls %o %s', (manifest, name) => {
    expect(shortNameOf(artifactTypeOf(manifest))).toBe(name);
  });
});

describe('resourceMediaType', () => {
  it.each([
    ['icon', 'resources/margo.jpg', 'application/vnd.margo.app.icon.v1+jpeg'],
    ['descriptionFile', 'resources/description.md', 'application/vnd.margo.app.descriptionFile.v1+markdown'],
    ['licenseFile', 'license.pdf', 'application/vnd.margo.app.licenseFile.v1+pdf'],
    ['releaseNotes', 'NOTES', 'application/vnd.margo.app.releaseNotes.v1+octet-stream'],
  ] as const)('%s %s is %s', (kind, path, type) => {
    expect(resourceMediaType(kind, path)).toBe(type);
  });
});
