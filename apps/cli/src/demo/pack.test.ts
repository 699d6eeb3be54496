import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseUtf8 } from '@margo-trust/bytes';
import {
  chartImages,
  composeImages,
  MEDIA,
  parseChartArchive,
  parseComposeArchive,
  shortNameOf,
} from '@margo-trust/margo';
import { copyGraph, gunzip, OciLayout, type Descriptor } from '@margo-trust/oci';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeGzip } from './archive.ts';
import { DEMO_APPLICATIONS, loadDemoFiles } from './load.ts';
import { packApplication, type PackedApplication } from './pack.ts';

const root = mkdtempSync(join(tmpdir(), 'margo-demo-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const text = (bytes: Uint8Array | undefined) => parseUtf8(bytes ?? new Uint8Array());
let layout: OciLayout;
let nextcloud: PackedApplication;
let otel: PackedApplication;

async function onlyLayer(descriptor: Descriptor): Promise<Uint8Array> {
  const manifest = await layout.loadManifest(descriptor);
  return manifest.kind === 'manifest' && manifest.layers[0] ? layout.loadBlob(manifest.layers[0]) : new Uint8Array();
}

beforeAll(async () => {
  layout = await OciLayout.create(join(root, 'layout'));
  nextcloud = await packApplication(layout, await loadDemoFiles('nextcloud'));
  otel = await packApplication(layout, await loadDemoFiles('otel'));
});

describe('the files shipped', () => {
  it.each([
    ['nextcloud', 'application-description-compose-nextcloud.yaml'],
    ['otel', 'application-description-helm-otel.yaml'],
  ] as const)("hold Margo's own description of %s, byte for byte", async (application, vector) => {
    const original = readFileSync(new URL(`../../../../test/vectors/margo/${vector}`, import.meta.url), 'utf8');
    expect(text((await loadDemoFiles(application)).get('margo.yaml'))).toBe(original);
  });

  it('tell Helm the same about the chart twice', async () => {
    const files = await loadDemoFiles('otel');
    const config = JSON.parse(text(files.get('helm-config.json'))) as Record<string, unknown>;
    const written = text(files.get('chart/Chart.yaml')).matchAll(/^(\w+): (.+)$/gm);
    for (const [, key, value] of written) expect(config[key!]).toBe(value);
  });
});

describe('packApplication', () => {
  it('packs Nextcloud: package, Compose Archive and three images', async () => {
    expect(nextcloud).toMatchObject({ id: 'nextcloud-stack', version: '1.0.0' });
    expect(nextcloud.components.map(({ reference }) => reference)).toEqual([
      'registry.example.com/library/nextcloud-compose:1.0.0',
    ]);
    expect(nextcloud.images.map(({ reference }) => reference)).toEqual([
      'registry.example.com/library/nextcloud:29.0.16-apache',
      'registry.example.com/library/mariadb:11.4',
      'registry.example.com/library/redis:7.2-alpine',
    ]);
    expect(await layout.resolve('1.0.0')).toEqual(nextcloud.package);
    for (const { reference, descriptor } of [...nextcloud.components, ...nextcloud.images]) {
      expect(await layout.resolve(reference)).toEqual(descriptor);
    }
  });

  it('packs the OpenTelemetry service: package, chart and its image', () => {
    expect(otel).toMatchObject({ id: 'com-go-otel-service', version: '0.1.0' });
    expect(otel.components.map(({ reference }) => reference)).toEqual([
      'registry.example.com/library/custom-otel-helm-app:0.1.0',
    ]);
    expect(otel.images.map(({ reference }) => reference)).toEqual([
      'registry.example.com/library/go-otel-service:0.1.0',
    ]);
  });

  it('makes an Application Package as the specification shows it', async () => {
    const manifest = JSON.parse(text((await layout.loadManifest(nextcloud.package)).bytes)) as Record<string, unknown>;
    expect(manifest).toMatchObject({
      artifactType: 'application/vnd.margo.app.v1+json',
      config: { mediaType: 'application/vnd.oci.empty.v1+json', size: 2, data: 'e30=' },
      layers: [
        {
          mediaType: 'application/vnd.margo.app.description.v1+yaml',
          annotations: { 'org.opencontainers.image.title': 'margo.yaml' },
        },
        {
          mediaType: 'application/vnd.margo.app.icon.v1+png',
          annotations: { 'org.opencontainers.image.title': 'resources/nextcloud-logo.png' },
        },
        { mediaType: 'application/vnd.margo.app.descriptionFile.v1+markdown' },
        { mediaType: 'application/vnd.margo.app.licenseFile.v1+plain' },
        { mediaType: 'application/vnd.margo.app.releaseNotes.v1+markdown' },
      ],
    });
    const ofOtel = await layout.loadManifest(otel.package);
    expect(ofOtel.kind === 'manifest' && ofOtel.layers.map(({ mediaType }) => mediaType)).toContain(
      'application/vnd.margo.app.licenseFile.v1+pdf',
    );
  });

  it('makes a Compose Archive that resolves without a finding', async () => {
    const [component] = nextcloud.components;
    const manifest = await layout.loadManifest(component!.descriptor);
    expect(manifest.annotations).toMatchObject({
      'org.margo.component.type': 'compose',
      'org.margo.component.version': '1.0.0',
    });
    const archive = parseComposeArchive(gunzip(await onlyLayer(component!.descriptor), 1_000_000));
    expect(archive).toMatchObject({ directory: 'nextcloud-stack', findings: [] });
    expect(composeImages(archive.compose)).toEqual({
      images: nextcloud.images.map(({ reference }) => reference),
      findings: [],
    });
  });

  it('makes a chart that resolves without a finding', async () => {
    const [component] = otel.components;
    const manifest = await layout.loadManifest(component!.descriptor);
    expect(manifest).toMatchObject({ artifactType: MEDIA.helmConfig, kind: 'manifest' });
    const { directory, chart, values } = parseChartArchive(gunzip(await onlyLayer(component!.descriptor), 1_000_000));
    expect(directory).toBe('custom-otel-helm-app');
    expect(chartImages(chart, values)).toEqual({ images: otel.images.map(({ reference }) => reference), findings: [] });
  });

  it('makes images for two platforms', async () => {
    const index = await layout.loadManifest(otel.images[0]!.descriptor);
    expect(index.kind === 'index' && index.manifests.map(({ platform }) => platform)).toEqual([
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 'arm64' },
    ]);
    expect(shortNameOf(index.artifactType)).toBe('index');
  });

  it('gives the same digests on every machine', () => {
    expect([
      nextcloud.package.digest,
      nextcloud.components[0]!.descriptor.digest,
      nextcloud.images[0]!.descriptor.digest,
    ]).toEqual([
      'sha256:d4cf4bc0b89ba613b22d0569e15bc71ec0670fcf03334c742607232786340d91',
      'sha256:ed5c2569ff26303bd9fa6d643e0b708a0b159196d3d681c980f10a66a326c1e7',
      'sha256:324a6d796be85b59730e04c8978d6917c1ea6c83163d16f2a2ef1ad10273d522',
    ]);
  });

  it.each(DEMO_APPLICATIONS)('packs %s so that everything can be copied away', async (application) => {
    const [from, to] = [
      await OciLayout.create(join(root, `${application}-a`)),
      await OciLayout.create(join(root, `${application}-b`)),
    ];
    const packed = await packApplication(from, await loadDemoFiles(application));
    for (const { descriptor, reference } of [...packed.components, ...packed.images]) {
      await copyGraph(from, to, descriptor, { tag: reference });
    }
    await copyGraph(from, to, packed.package, { tag: packed.version });
    expect((await to.tags()).sort()).toEqual((await from.tags()).sort());
  });
});

describe('encodeGzip', () => {
  it.each([0, 1, 65_535, 65_536, 200_000])('packs %i bytes that zlib unpacks', (length) => {
    const bytes = new Uint8Array(length).map((_, index) => index % 253);
    expect(gunzipSync(encodeGzip(bytes)).equals(bytes)).toBe(true);
  });

  it('writes what the system tar lists', async () => {
    const path = join(root, 'chart.tgz');
    writeFileSync(path, await onlyLayer(otel.components[0]!.descriptor));
    expect(execFileSync('tar', ['-tzf', path], { encoding: 'utf8' }).trim().split('\n')).toEqual([
      'custom-otel-helm-app/Chart.yaml',
      'custom-otel-helm-app/templates/_helpers.tpl',
      'custom-otel-helm-app/templates/deployment.yaml',
      'custom-otel-helm-app/templates/service.yaml',
      'custom-otel-helm-app/values.yaml',
    ]);
  });
});
