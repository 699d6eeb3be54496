import { encodeUtf8 } from '@margo-trust/bytes';
import { describe, expect, it } from 'vitest';
import { chartImages, composeImages, encodeImageName, parseImageName } from '../src/index.ts';

const compose = (text: string) => composeImages(encodeUtf8(text));
const DIGEST = `sha256:${'0f'.repeat(32)}`;

describe('parseImageName', () => {
  it.each([
    ['redis', 'docker.io/library/redis'],
    ['redis:7', 'docker.io/library/redis:7'],
    ['grafana/grafana:10.0.0', 'docker.io/grafana/grafana:10.0.0'],
    ['index.docker.io/redis', 'docker.io/library/redis'],
    ['localhost/app', 'localhost/app'],
    ['localhost:5000/app:1', 'localhost:5000/app:1'],
    ['[::1]:5000/app:1', '[::1]:5000/app:1'],
    ['quay.io/a/b/c__d:v1', 'quay.io/a/b/c__d:v1'],
    [`registry.example/app:1@${DIGEST}`, `registry.example/app:1@${DIGEST}`],
  ])('reads %s as %s', (short, full) => {
    const name = parseImageName(short);
    expect(encodeImageName(name)).toBe(full);
    expect(parseImageName(full)).toEqual(name);
  });

  it.each([
    '',
    'Redis',
    'a//b',
    'registry.example/',
    ':tag',
    'a:b:c',
    'a@sha256:00',
    'a b',
    '../a',
    '-a',
    'a/../b',
    'x'.repeat(600),
  ])('refuses %j', (text) => {
    expect(() => parseImageName(text)).toThrow(expect.objectContaining({ code: 'margo/bad-image-name' }));
  });
});

describe('composeImages', () => {
  it('lists the images of the services in full, each once', () => {
    const { images, findings } = compose(
      'x-base: &base {image: "nginx:1.27"}\nservices:\n  web: *base\n  again: {<<: *base, restart: always}\n  db: {image: mariadb:11.4}\n',
    );
    expect(images).toEqual(['docker.io/library/nginx:1.27', 'docker.io/library/mariadb:11.4']);
    expect(findings).toEqual([]);
  });

  it('lets a service override what it merges', () => {
    expect(compose('x: &b {image: a:1}\nservices: {s: {<<: *b, image: b:2}}').images).toEqual([
      'docker.io/library/b:2',
    ]);
  });

  it.each([
    ['a variable with a default', '{image: "redis:${TAG:-7}"}', 'the variable'],
    ['a build without an image', '{build: .}', 'built where it is deployed'],
    ['neither', '{restart: always}', 'names no image'],
    ['a base in another file', '{extends: {file: other.yaml, service: s}}', 'names no image'],
    ['text that is no reference', '{image: "Not An Image"}', 'not an image reference'],
  ])('reports %s instead of guessing', (_, service, finding) => {
    const { images, findings } = compose(`services: {s: ${service}}`);
    expect(images).toEqual([]);
    expect(findings).toEqual([expect.stringContaining(finding)]);
  });

  it('assumes the tag latest only with a finding', () => {
    expect(compose('services: {s: {image: redis}}')).toEqual({
      images: ['docker.io/library/redis:latest'],
      findings: [expect.stringContaining('latest')],
    });
  });

  it('reports included files', () => {
    expect(compose('include: [a.yaml]\nservices: {s: {image: "a:1"}}').findings).toHaveLength(1);
  });

  it('refuses a file without services', () => {
    expect(() => compose('version: "3"')).toThrow(expect.objectContaining({ code: 'margo/not-a-compose-file' }));
  });
});

describe('chartImages', () => {
  const chart = (extra = '') => encodeUtf8(`name: c\nversion: 1.0.0\nappVersion: 2.5.0\n${extra}`);
  const annotation = 'annotations:\n  artifacthub.io/images: |\n    - name: app\n      image: quay.io/acme/app:2.5.0\n';

  it('believes the annotation', () => {
    expect(chartImages(chart(annotation), encodeUtf8('image: {repository: quay.io/acme/app, tag: 2.5.0}'))).toEqual({
      images: ['quay.io/acme/app:2.5.0'],
      findings: [],
    });
  });

  it('reports what values.yaml names beyond the annotation', () => {
    const { images, findings } = chartImages(chart(annotation), encodeUtf8('sidecar: {image: "busybox:1.36"}'));
    expect(images).toEqual(['quay.io/acme/app:2.5.0']);
    expect(findings).toEqual(['values.yaml names docker.io/library/busybox:1.36, the annotation does not.']);
  });

  it('reads values.yaml in both customs when there is no annotation, and says so', () => {
    const values = encodeUtf8(
      'image: {registry: quay.io, repository: acme/app, tag: ""}\nproxy: {image: "envoyproxy/envoy:v1.31"}\n' +
        `pinned: {image: {repository: acme/p, digest: "${DIGEST}"}}\nlist: [{image: "a/b:1"}]\n`,
    );
    const { images, findings } = chartImages(chart(), values);
    expect(images).toEqual([
      'quay.io/acme/app:2.5.0',
      'docker.io/envoyproxy/envoy:v1.31',
      `docker.io/acme/p@${DIGEST}`,
      'docker.io/a/b:1',
    ]);
    expect(findings).toEqual([
      expect.stringContaining('appVersion is assumed'),
      expect.stringContaining('a reading of values.yaml'),
    ]);
  });

  it('reports dependencies and the absence of any image', () => {
    expect(chartImages(chart('dependencies: [{name: redis, version: 1.0.0}]'))).toEqual({
      images: [],
      findings: [expect.stringContaining('"redis"'), expect.stringContaining('No image was found')],
    });
  });

  it('refuses what is no chart', () => {
    expect(() => chartImages(encodeUtf8('a: b'))).toThrow(expect.objectContaining({ code: 'margo/not-a-chart' }));
  });
});
