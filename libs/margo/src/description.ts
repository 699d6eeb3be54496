import { MargoFault } from './fault.ts';
import type { ResourceKind } from './media.ts';
import { listAt, parseYaml, quote, textAt, valueAt, YAML_LIMITS, isYamlMap, type Yaml } from './yaml.ts';

/** What the registry needs of an Application Description; everything else in it is left to the WFM. */
export interface ApplicationDescription {
  readonly id: string;
  readonly name: string;
  /** The tag of the Application Package, as written in the file (`1.10` stays `1.10`). */
  readonly version: string;
  /** Free text: nothing ties these names to a legal entity, and the publisher is often somebody else. */
  readonly organizations: readonly string[];
  readonly profiles: readonly DeploymentProfile[];
  /** Paths inside the package, without a leading `./`. */
  readonly resources: Readonly<Partial<Record<ResourceKind, string>>>;
  /** What is not conformant, one sentence each, for whoever publishes the package. */
  readonly findings: readonly string[];
}

export interface DeploymentProfile {
  readonly id: string;
  readonly type: 'helm' | 'compose';
  readonly components: readonly Component[];
  /** Components without an OCI reference: they can be neither pinned nor signed. */
  readonly legacyComponents: readonly LegacyComponent[];
}

export interface Component {
  readonly name: string;
  /** `oci://<registry>/<repository>` */
  readonly repository: string;
  readonly revision: string;
}

export interface LegacyComponent {
  readonly name: string;
  readonly packageLocation?: string;
}

/**
 * Reads a Margo Application Description (`margo.yaml`) leniently: `id` at the top or under `metadata`, `helm` or
 * `helm.v3`, a missing `kind`, components still named by `packageLocation`. Whatever departs from the specification is
 * among the findings. Without an id and a version there is nothing to sign, and the text is refused.
 *
 * At most 256 KiB and 10,000 tokens. References are tags, which pin nothing.
 */
export function parseApplicationDescription(yaml: Uint8Array): ApplicationDescription {
  const root = parseYaml(yaml, { ...YAML_LIMITS, maxBytes: 262_144, maxItems: 10_000 });
  if (!isYamlMap(root)) throw notADescription('It is not a mapping.');
  const findings: string[] = [];
  checkHead(root, findings);

  const id = readId(root, findings);
  const version = textAt(root, 'metadata', 'version');
  if (!version) throw notADescription('It has no metadata.version.');
  if (!TAG.test(version)) throw notADescription(`Its version ${quote(version)} cannot be the tag of a package.`);
  const name = textAt(root, 'metadata', 'name');
  if (!name) findings.push('metadata.name is missing.');

  return {
    id,
    name: name ?? id,
    version,
    organizations: readOrganizations(root, findings),
    profiles: readProfiles(root, findings),
    resources: readResources(root, findings),
    findings,
  };
}

/** The component's reference as a registry knows it, `registry/repository:tag`: a tag cannot carry SemVer's `+`. */
export function referenceOfComponent({ repository, revision }: Component): string {
  return `${repository.slice('oci://'.length)}:${revision.replaceAll('+', '_')}`;
}

function checkHead(root: Yaml, findings: string[]): void {
  const kind = textAt(root, 'kind');
  if (kind === undefined) findings.push('kind is missing; it must be ApplicationDescription.');
  else if (kind !== 'ApplicationDescription') throw notADescription(`Its kind is ${quote(kind)}.`);
  const apiVersion = textAt(root, 'apiVersion');
  if (!apiVersion?.startsWith('margo.org/')) {
    findings.push(`apiVersion is ${quote(apiVersion ?? '')}; it must be margo.org/v1-alpha1.`);
  }
}

function readId(root: Yaml, findings: string[]): string {
  const id = textAt(root, 'id') ?? textAt(root, 'metadata', 'id');
  if (!id) throw notADescription('It has no id.');
  if (!/^[\x21-\x7e]{1,200}$/.test(id)) throw notADescription(`Its id ${quote(id)} is not an identifier.`);
  if (textAt(root, 'id') === undefined) findings.push('id stands under metadata; it belongs at the top level.');
  if (!/^[-a-z0-9]+$/.test(id)) {
    findings.push(`id ${quote(id)} may only have lower case letters, digits and dashes.`);
  }
  return id;
}

function readOrganizations(root: Yaml, findings: string[]): string[] {
  const listed = [...listAt(root, 'metadata', 'catalog', 'organization'), ...listAt(root, 'metadata', 'organization')];
  const names = listed.flatMap((organization) => textAt(organization, 'name') ?? []);
  if (names.length === 0) findings.push('metadata.catalog.organization names no organization.');
  return names;
}

function readProfiles(root: Yaml, findings: string[]): DeploymentProfile[] {
  const listed = listAt(root, 'deploymentProfiles');
  if (listed.length === 0) findings.push('deploymentProfiles is missing or empty.');
  return listed.flatMap((profile, index) => readProfile(profile, `deploymentProfiles[${index}]`, findings) ?? []);
}

function readProfile(profile: Yaml, where: string, findings: string[]): DeploymentProfile | undefined {
  const written = textAt(profile, 'type');
  const type = written === 'helm.v3' ? 'helm' : written;
  if (type !== 'helm' && type !== 'compose') {
    findings.push(`${where} is of type ${quote(written ?? '')}; only helm and compose are known.`);
    return undefined;
  }
  if (written === 'helm.v3') findings.push(`${where} is of type "helm.v3"; it is called "helm" now.`);
  const id = textAt(profile, 'id');
  if (!id) findings.push(`${where} has no id.`);

  const components: Component[] = [];
  const legacyComponents: LegacyComponent[] = [];
  for (const [index, listed] of listAt(profile, 'components').entries()) {
    const component = readComponent(listed, `${where}.components[${index}]`, findings);
    if ('repository' in component) components.push(component);
    else legacyComponents.push(component);
  }
  if (components.length + legacyComponents.length === 0) findings.push(`${where} has no components.`);
  return { id: id ?? where, type, components, legacyComponents };
}

function readComponent(component: Yaml, where: string, findings: string[]): Component | LegacyComponent {
  const name = textAt(component, 'name');
  if (!name) findings.push(`${where} has no name.`);
  const repository = textAt(component, 'properties', 'repository');
  const revision = textAt(component, 'properties', 'revision');
  const timeout = textAt(component, 'properties', 'timeout');
  if (timeout !== undefined && !/^\d+m\d+s$/.test(timeout)) {
    findings.push(`${where} has the timeout ${quote(timeout)}; it is written like "5m0s".`);
  }
  if (repository && REPOSITORY.test(repository) && revision && TAG.test(revision.replaceAll('+', '_'))) {
    if (!SEMVER.test(revision)) findings.push(`${where} has the revision ${quote(revision)}, which is not SemVer 2.0.`);
    return { name: name ?? where, repository, revision };
  }
  const packageLocation = textAt(component, 'properties', 'packageLocation');
  findings.push(
    packageLocation
      ? `${where} is named by packageLocation, which is not part of Margo any more: it cannot be pinned or signed.`
      : `${where} has no OCI reference (repository "oci://…" and a revision): it cannot be pinned or signed.`,
  );
  return { name: name ?? where, ...(packageLocation && { packageLocation }) };
}

function readResources(root: Yaml, findings: string[]): Partial<Record<ResourceKind, string>> {
  const resources: Partial<Record<ResourceKind, string>> = {};
  for (const kind of RESOURCE_KINDS) {
    const written = valueAt(root, 'metadata', 'catalog', 'application', kind);
    if (typeof written !== 'string' || written === '') continue;
    const path = written.replace(/^(?:\.\/)+/, '');
    if (isPackagePath(path)) resources[kind] = path;
    else findings.push(`metadata.catalog.application.${kind} is ${quote(written)}, not a path inside the package.`);
  }
  return resources;
}

function isPackagePath(path: string): boolean {
  return path !== '' && /^[^\\\0:]+$/.test(path) && path.split('/').every((part) => !['', '.', '..'].includes(part));
}

function notADescription(reason: string): MargoFault {
  return new MargoFault('margo/not-a-description', `The file is no Application Description. ${reason}`);
}

const RESOURCE_KINDS: readonly ResourceKind[] = ['icon', 'descriptionFile', 'licenseFile', 'releaseNotes'];
/** OCI distribution-spec v1.1, *Pulling manifests*. */
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const REPOSITORY = /^oci:\/\/[A-Za-z0-9.\-[\]:]+(?:\/[a-z0-9._-]+)+$/;
const SEMVER = /^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?(?:[+_][0-9A-Za-z.-]+)?$/;
