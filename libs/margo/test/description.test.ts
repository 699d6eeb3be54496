import { readFileSync } from 'node:fs';
import { encodeUtf8 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseApplicationDescription, referenceOfComponent } from '../src/index.ts';

const vector = (name: string) => readFileSync(new URL(`../../../test/vectors/margo/${name}`, import.meta.url));
const parse = (text: string) => parseApplicationDescription(encodeUtf8(text));
const minimal = 'id: a\nmetadata: {version: "1.0"}\n';

describe('parseApplicationDescription', () => {
  it("reads Margo's current example without a finding", () => {
    expect(parseApplicationDescription(vector('application-description-helm-only.yaml'))).toEqual({
      id: 'com-northstartida-hello-world',
      name: 'Hello World',
      version: '1.0',
      organizations: ['Northstar Industrial Applications'],
      profiles: [
        {
          id: 'com-northstartida-hello-world-helm-a',
          type: 'helm',
          components: [
            { name: 'hello-world', repository: 'oci://northstarida.azurecr.io/charts/hello-world', revision: '1.0.1' },
          ],
          legacyComponents: [],
        },
      ],
      resources: {
        icon: 'resources/hw-logo.png',
        descriptionFile: 'resources/description.md',
        licenseFile: 'resources/license.pdf',
        releaseNotes: 'resources/release-notes.md',
      },
      findings: [],
    });
  });

  it('reads the Nextcloud example and says what is not conformant in it', () => {
    const description = parseApplicationDescription(vector('application-description-compose-nextcloud.yaml'));
    expect(description).toMatchObject({ id: 'nextcloud-stack', version: '1.0.0', organizations: ['Nextcloud GmbH'] });
    expect(description.profiles[0]?.components.map(referenceOfComponent)).toEqual([
      'registry.example.com/library/nextcloud-compose:1.0.0',
    ]);
    expect(description.findings).toEqual([
      'kind is missing; it must be ApplicationDescription.',
      'apiVersion is "v1"; it must be margo.org/v1-alpha1.',
      'deploymentProfiles[0].components[0] has the timeout "5m"; it is written like "5m0s".',
    ]);
  });

  it('reads the OpenTelemetry example', () => {
    const description = parseApplicationDescription(vector('application-description-helm-otel.yaml'));
    expect(description.profiles.flatMap((profile) => profile.components.map(referenceOfComponent))).toEqual([
      'registry.example.com/library/custom-otel-helm-app:0.1.0',
    ]);
  });

  it('keeps components that only legacy fields name apart, since they can be neither pinned nor signed', () => {
    const description = parseApplicationDescription(vector('application-description-helm-and-compose-legacy.yaml'));
    expect(description.profiles.map(({ type, components }) => [type, components.length])).toEqual([
      ['helm', 2],
      ['compose', 0],
    ]);
    expect(description.profiles[1]?.legacyComponents).toEqual([
      {
        name: 'digitron-orchestrator-docker',
        packageLocation: 'https://northsitarida.com/digitron/docker/digitron-orchestrator.tar.gz',
      },
    ]);
    expect(description.findings).toEqual([expect.stringContaining('packageLocation')]);
  });

  it('accepts the older places of id and type and reports them', () => {
    const description = parse(
      'kind: ApplicationDescription\napiVersion: margo.org/v1-alpha1\nmetadata: {id: Old.App, name: n, version: 2.0.0, catalog: {organization: [{name: O}]}}\n' +
        'deploymentProfiles: [{type: helm.v3, id: h, components: [{name: c, properties: {repository: "oci://r.example/c", revision: 1.0.0+build.5}}]}]\n',
    );
    expect(description.id).toBe('Old.App');
    expect(description.profiles[0]?.type).toBe('helm');
    expect(description.profiles[0]?.components.map(referenceOfComponent)).toEqual(['r.example/c:1.0.0_build.5']);
    expect(description.findings).toEqual([
      'id stands under metadata; it belongs at the top level.',
      'id "Old.App" may only have lower case letters, digits and dashes.',
      'deploymentProfiles[0] is of type "helm.v3"; it is called "helm" now.',
    ]);
  });

  it('keeps a version as it is written, where a YAML number would lose a digit', () => {
    expect(parse('id: a\nmetadata: {version: 1.10}').version).toBe('1.10');
  });

  it('never follows a resource path out of the package', () => {
    const { resources, findings } = parse(
      'id: a\nmetadata: {version: "1", catalog: {application: {icon: ../../etc/passwd, licenseFile: /etc/passwd, releaseNotes: "https://x.example/n.md"}}}',
    );
    expect(resources).toEqual({});
    expect(findings.filter((finding) => finding.includes('not a path inside the package'))).toHaveLength(3);
  });

  it.each([
    ['another kind', 'kind: ApplicationDeployment\n' + minimal, 'margo/not-a-description'],
    ['no id', 'metadata: {version: "1"}', 'margo/not-a-description'],
    ['no version', 'id: a', 'margo/not-a-description'],
    ['a version that cannot be a tag', 'id: a\nmetadata: {version: "1/2"}', 'margo/not-a-description'],
    ['a list', '- a', 'margo/not-a-description'],
    ['nothing', '', 'margo/not-a-description'],
    ['a key twice', minimal + 'id: b', 'margo/not-yaml'],
    ['a key that is a list', '? [a]\n: b', 'margo/not-yaml'],
    ['two documents', minimal + '---\nid: b', 'margo/not-yaml'],
    ['an unknown alias in place of the id', 'id: *nowhere\nmetadata: {version: "1"}', 'margo/not-a-description'],
    ['broken YAML', 'id: [a', 'margo/not-yaml'],
    ['brackets without end', '['.repeat(10_000), 'margo/too-deep'],
    ['dashes without end', '- '.repeat(10_000), 'margo/too-deep'],
    ['an alias inside its own anchor', 'x: &x [*x]\n' + minimal, 'margo/too-deep'],
    ['a billion laughs', 'a: &a [x,x,x,x,x,x,x,x,x]\n' + laughs() + minimal, 'margo/too-large'],
    ['more than 256 KiB', minimal + '#'.repeat(262_144), 'margo/too-large'],
    ['too many tokens', minimal + 'x: [' + 'a,'.repeat(60_000) + ']', 'margo/too-large'],
  ])('refuses %s', (_, text, code) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code }));
  });

  it('refuses bytes that are not UTF-8', () => {
    expect(() => parseApplicationDescription(Uint8Array.of(0xff, 0xfe))).toThrow(
      expect.objectContaining({ code: 'margo/not-yaml' }),
    );
  });

  it('gives a value or a Fault for arbitrary text', () => {
    const fragment = fc.constantFrom(
      ...'[]{}:,-?&*!|>\'"%@`#~ \n\tabx'.split(''),
      'id: a\n',
      'metadata:\n  version: "1"\n',
      '<<: *a\n',
      '&a ',
      '---\n',
    );
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 60 }), (parts) => {
        try {
          parse(parts.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      }),
      { numRuns: 1500 },
    );
  });
});

function laughs(): string {
  const names = 'abcdefgh'.split('');
  return names
    .slice(1)
    .map((name, i) => `${name}: &${name} [${Array(9).fill(`*${names[i]}`).join(',')}]\n`)
    .join('');
}
