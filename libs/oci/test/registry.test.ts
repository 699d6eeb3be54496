import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeUtf8 } from '@margo-trust/bytes';
import { MEDIA } from '@margo-trust/margo';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { because } from '../../../test/skipped.ts';
import {
  attachReferrer,
  attachSignature,
  copyGraph,
  describe as describeBytes,
  findSignatures,
  dockerCredentials,
  OciLayout,
  OciRegistry,
  openReference,
} from '../src/index.ts';
import {
  registryProgram,
  startRegistry,
  startTokenService,
  type RunningRegistry,
  type TokenService,
} from './docker-registry.ts';
import { artifact, collectAll, temporaryDirectory, writeSample, writeSampleIndex } from './samples.ts';

const root = temporaryDirectory();
const signature = { envelope: encodeUtf8('envelope'), chain: [encodeUtf8('leaf')] };
const layer = { mediaType: 'text/plain', data: encodeUtf8('note') };
const NOTE = 'application/vnd.note';
const NEEDS_REGISTRY = because('docker-registry is not installed');

describe.skipIf(!registryProgram)(
  'OciRegistry with docker-registry, which has no referrers API',
  NEEDS_REGISTRY,
  () => {
    let registry: RunningRegistry;
    let count = 0;
    const repository = () => new OciRegistry(registry.host, `acme/app-${count++}`);
    beforeAll(async () => void (registry = await startRegistry(root)));
    afterAll(() => registry.stop());

    it('pushes and resolves by tag and digest', async () => {
      const place = repository();
      const descriptor = await writeSample(place, 'one', '1.0.0');
      expect(await place.resolve('1.0.0')).toEqual(descriptor);
      expect(await place.resolve(descriptor.digest)).toEqual(descriptor);
      expect((await place.loadManifest(descriptor)).bytes).toEqual(artifact('one').manifest);
      expect(await place.tags()).toEqual(['1.0.0']);
      const { place: opened, reference } = await openReference(`${place.name}:1.0.0`);
      expect(await opened.resolve(reference)).toEqual(descriptor);
    });

    it('says what is not there', async () => {
      const place = repository();
      const absent = describeBytes(encodeUtf8('absent'), 'text/plain');
      await expect(place.resolve('1.0.0')).rejects.toMatchObject({ code: 'oci/not-found' });
      await expect(place.loadBlob(absent)).rejects.toMatchObject({ code: 'oci/not-found' });
      expect(await place.hasBlob(absent)).toBe(false);
      expect(await place.tags()).toEqual([]);
      expect(await place.referrers(absent.digest)).toEqual([]);
    });

    it('streams large blobs both ways, and takes empty ones', async () => {
      const place = repository();
      const bytes = new Uint8Array(3_000_000).map((_, index) => (index * 7) % 251);
      const descriptor = describeBytes(bytes, 'application/octet-stream');
      const pieces = (async function* () {
        for (let at = 0; at < bytes.length; at += 100_000)
          yield await Promise.resolve(bytes.subarray(at, at + 100_000));
      })();
      await place.writeBlob(descriptor, pieces);
      expect(Buffer.concat(await collectAll(place.openBlob(descriptor))).equals(bytes)).toBe(true);
      const empty = describeBytes(new Uint8Array(), MEDIA.notarySignature);
      await place.writeBlob(empty, new Uint8Array());
      expect(await place.loadBlob(empty)).toHaveLength(0);
    });

    it('stores nothing that is not what it was described as', async () => {
      const place = repository();
      const bytes = encodeUtf8('true');
      const lie = describeBytes(encodeUtf8('lies'), 'text/plain');
      await expect(place.writeBlob(lie, bytes)).rejects.toMatchObject({ code: 'oci/digest-mismatch' });
      const stream = async function* () {
        yield await Promise.resolve(bytes);
      };
      await expect(place.writeBlob(lie, stream())).rejects.toMatchObject({ code: 'oci/digest-mismatch' });
      await expect(place.writeBlob({ ...lie, size: 2 }, stream())).rejects.toMatchObject({ code: 'oci/size-mismatch' });
      await expect(place.writeManifest(artifact('parts missing').manifest)).rejects.toMatchObject({
        code: 'oci/refused',
      });
    });

    it('keeps the referrers tag: many at once, each listed with its type', async () => {
      const place = repository();
      const subject = await writeSample(place, 'one', '1.0.0');
      const notes = await Promise.all(
        [1, 2, 3, 4].map((n) =>
          attachReferrer(place, { subject, artifactType: NOTE, layers: [layer], annotations: { n: String(n) } }),
        ),
      );
      await attachSignature(place, { subject, ...signature });
      const listed = await place.referrers(subject.digest, NOTE);
      expect(listed.map(({ digest }) => digest).sort()).toEqual(notes.map(({ digest }) => digest).sort());
      expect(listed.map(({ annotations }) => annotations?.['n']).sort()).toEqual(['1', '2', '3', '4']);
      expect(await place.referrers(subject.digest)).toHaveLength(5);
      expect(await collectAll(findSignatures(place, subject))).toMatchObject([{ envelope: signature.envelope }]);
    });

    it('takes a referrer away, from the tag and from the registry', async () => {
      const place = repository();
      const subject = await writeSample(place, 'one', '1.0.0');
      const note = await attachReferrer(place, { subject, artifactType: NOTE, layers: [layer] });
      await place.removeReferrer(subject.digest, note);
      expect(await place.referrers(subject.digest)).toEqual([]);
      await expect(place.resolve(note.digest)).rejects.toMatchObject({ code: 'oci/not-found' });
    });

    it('carries a signed index from a layout to a registry and back without losing anything', async () => {
      const from = await OciLayout.create(join(root, 'from'));
      const back = await OciLayout.create(join(root, 'back'));
      const place = repository();
      const index = await writeSampleIndex(from, 'v1');
      const release = await attachReferrer(from, { subject: index, artifactType: MEDIA.release, layers: [layer] });
      await attachSignature(from, { subject: release, ...signature });
      await attachSignature(from, { subject: index, ...signature });
      expect(await copyGraph(from, place, index, { referrers: true, tag: 'v1' })).toEqual({ manifests: 6, blobs: 5 });
      expect(await place.resolve('v1')).toEqual(index);
      expect(await copyGraph(place, back, index, { referrers: true, tag: 'v1' })).toEqual({ manifests: 6, blobs: 5 });
      expect(await collectAll(findSignatures(back, release))).toHaveLength(1);
      expect(await collectAll(findSignatures(back, index))).toHaveLength(1);
    });
  },
);

describe.skipIf(!registryProgram)('OciRegistry with a login', NEEDS_REGISTRY, () => {
  // bcrypt of "secret"
  const htpasswd = 'acme:$2y$05$765g/cC2fTG1FoD4/5mxwu0GIr0MLSe4bXwE2c6FBxmZ3OxPDwpXW\n';

  it('logs in by Basic with what docker login left', async () => {
    const [passwords, config] = [join(root, 'htpasswd'), join(root, 'config.json')];
    writeFileSync(passwords, htpasswd);
    const registry = await startRegistry(root, { htpasswd: { realm: 'test', path: passwords } });
    try {
      const login = (password: string) =>
        writeFileSync(
          config,
          JSON.stringify({ auths: { [registry.host]: { auth: Buffer.from(`acme:${password}`).toString('base64') } } }),
        );
      login('secret');
      const place = new OciRegistry(registry.host, 'acme/app', { credentials: dockerCredentials(config) });
      const subject = await writeSample(place, 'one', '1.0.0');
      await attachSignature(place, { subject, ...signature });
      expect(await place.referrers(subject.digest)).toHaveLength(1);

      const anonymous = new OciRegistry(registry.host, 'acme/app');
      await expect(anonymous.resolve('1.0.0')).rejects.toMatchObject({ code: 'oci/unauthorized' });
      login('wrong');
      const wrong = new OciRegistry(registry.host, 'acme/app', { credentials: dockerCredentials(config) });
      await expect(wrong.resolve('1.0.0')).rejects.toMatchObject({ code: 'oci/unauthorized' });
    } finally {
      await registry.stop();
    }
  });

  describe('by tokens', () => {
    let tokens: TokenService;
    let registry: RunningRegistry;
    beforeAll(async () => {
      tokens = await startTokenService(root);
      registry = await startRegistry(root, tokens.auth);
    });
    afterAll(async () => {
      await registry.stop();
      await tokens.stop();
    });

    it('asks for the access it needs, once', async () => {
      const credentials = () => Promise.resolve({ username: 'acme', password: 'secret' });
      const place = new OciRegistry(registry.host, 'acme/app', { credentials });
      await writeSample(place, 'one', '1.0.0');
      await place.resolve('1.0.0');
      expect(tokens.asked).toEqual(
        ['pull', 'pull,push'].map((access) => ({
          scope: `repository:acme/app:${access}`,
          login: 'Basic YWNtZTpzZWNyZXQ=',
        })),
      );
    });

    it('trades an identity token, and a token that has expired for a new one', async () => {
      tokens.asked.length = 0;
      tokens.lifetimeSeconds = -120; // the registry allows a minute of skew
      const credentials = () => Promise.resolve({ identityToken: 'refresh me' });
      const place = new OciRegistry(registry.host, 'acme/app', { credentials });
      await expect(place.resolve('1.0.0')).rejects.toMatchObject({ code: 'oci/unauthorized' });
      tokens.lifetimeSeconds = 300;
      expect((await place.resolve('1.0.0')).artifactType).toBe(MEDIA.app);
      expect(tokens.asked.map(({ login }) => login)).toEqual(['refresh me', 'refresh me']);
    });
  });
});
