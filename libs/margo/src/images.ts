import { encodeUtf8 } from '@margo-trust/bytes';
import { MargoFault } from './fault.ts';
import { encodeImageName, parseImageName } from './image-name.ts';
import { isYamlMap, listAt, parseYaml, quote, textAt, valueAt, type Yaml, type YamlMap } from './yaml.ts';

/** Image references that a component names, and what could not be resolved. */
export interface FoundImages {
  /** Full references (`docker.io/library/redis:7`), each once, in order of appearance. */
  readonly images: readonly string[];
  /** One sentence each; a release made in spite of them does not cover every image. */
  readonly findings: readonly string[];
}

/**
 * The images that a Compose file's services run.
 *
 * A reference with a variable (`${TAG:-1.0}`) is a finding and never guessed: whoever deploys could set another value.
 * So are services that are built locally or extend another file.
 */
export function composeImages(composeYaml: Uint8Array): FoundImages {
  const file = parseYaml(composeYaml);
  const services = valueAt(file, 'services');
  if (!isYamlMap(services)) throw new MargoFault('margo/not-a-compose-file', 'The Compose file has no services.');
  const found = new Collector();
  if (valueAt(file, 'include') !== undefined) {
    found.report('The Compose file includes other files, whose images are not read.');
  }
  for (const [name, service] of services) readService(`Service ${quote(name)}`, service, services, found);
  return found.result();
}

function readService(where: string, service: Yaml, services: YamlMap, found: Collector): void {
  const image = textAt(service, 'image');
  if (image) {
    found.add(where, image);
  } else if (valueAt(service, 'build') !== undefined) {
    found.report(`${where} is built where it is deployed: there is no image to pin.`);
  } else {
    const base = textAt(service, 'extends', 'service') ?? textAt(service, 'extends');
    const isLocal = base !== undefined && !textAt(service, 'extends', 'file') && textAt(services.get(base), 'image');
    if (!isLocal) found.report(`${where} names no image.`); // a local base's image is found with the base
  }
}

/**
 * The images of a Helm chart: those that Chart.yaml lists in the annotation `artifacthub.io/images` (or `images`), else
 * those that values.yaml seems to name. Templates are not rendered, so only the annotation is sure; whatever rests on
 * values, on `appVersion` as a tag or on a dependency is among the findings.
 */
export function chartImages(chartYaml: Uint8Array, valuesYaml?: Uint8Array): FoundImages {
  const chart = parseYaml(chartYaml);
  if (!textAt(chart, 'name')) throw new MargoFault('margo/not-a-chart', 'Chart.yaml names no chart.');
  const found = new Collector();
  for (const dependency of listAt(chart, 'dependencies')) {
    const name = textAt(dependency, 'name') ?? '';
    found.report(`The chart depends on ${quote(name)}, whose images are read only if the annotation lists them.`);
  }
  readAnnotations(chart, found);

  const values = new Collector();
  if (valuesYaml) readValues(parseYaml(valuesYaml), 'values', textAt(chart, 'appVersion'), values);
  const inValues = values.result();
  if (found.isEmpty) {
    found.report(...inValues.findings);
    if (inValues.images.length > 0) {
      found.report('The images are a reading of values.yaml; list them in the annotation artifacthub.io/images.');
    } else {
      found.report('No image was found: list them in the annotation artifacthub.io/images of Chart.yaml.');
    }
    return { images: inValues.images, findings: found.result().findings };
  }
  const { images, findings } = found.result();
  const unlisted = inValues.images.filter((image) => !images.includes(image));
  return {
    images,
    findings: [...findings, ...unlisted.map((image) => `values.yaml names ${image}, the annotation does not.`)],
  };
}

function readAnnotations(chart: Yaml, found: Collector): void {
  for (const key of ['artifacthub.io/images', 'images']) {
    const text = textAt(chart, 'annotations', key);
    if (!text) continue;
    const listed = parseYaml(encodeUtf8(text));
    for (const [index, item] of listAt(listed).entries()) {
      found.add(`Annotation ${key}[${index}]`, textAt(item, 'image') ?? '');
    }
  }
}

/** The two customs: `image: {registry, repository, tag, digest}` and `image: "name:tag"`. */
function readValues(value: Yaml, where: string, appVersion: string | undefined, found: Collector): void {
  for (const [index, item] of listAt(value).entries()) readValues(item, `${where}[${index}]`, appVersion, found);
  if (!isYamlMap(value)) return;
  const repository = textAt(value, 'repository');
  if (repository && (value.has('tag') || value.has('digest'))) {
    const registry = textAt(value, 'registry');
    const digest = textAt(value, 'digest');
    const tag = textAt(value, 'tag') ?? (digest ? undefined : appVersion);
    if (!textAt(value, 'tag') && !digest) found.report(`${where} has no tag; the chart's appVersion is assumed.`);
    found.add(
      where,
      `${registry ? `${registry}/` : ''}${repository}${tag ? `:${tag}` : ''}${digest ? `@${digest}` : ''}`,
    );
  }
  for (const [key, inner] of value) {
    if (key === 'image' && typeof inner === 'string' && /[:/]/.test(inner)) found.add(`${where}.image`, inner);
    else readValues(inner, `${where}.${key}`, appVersion, found);
  }
}

class Collector {
  private readonly images = new Set<string>();
  private readonly findings: string[] = [];

  get isEmpty(): boolean {
    return this.images.size === 0;
  }

  report(...findings: readonly string[]): void {
    this.findings.push(...findings);
  }

  /** `reference` is as its author wrote it. */
  add(where: string, reference: string): void {
    if (reference.includes('$')) {
      this.report(
        `${where} has the image ${quote(reference)}: what the variable stands for is known only when it is deployed.`,
      );
      return;
    }
    try {
      const name = parseImageName(reference);
      if (!name.tag && !name.digest) this.report(`${where} has the image ${quote(reference)} without a tag: "latest".`);
      this.images.add(encodeImageName(name.tag || name.digest ? name : { ...name, tag: 'latest' }));
    } catch (fault) {
      if (!(fault instanceof MargoFault)) throw fault;
      this.report(`${where} has the image ${quote(reference)}, which is not an image reference.`);
    }
  }

  result(): FoundImages {
    return { images: [...this.images], findings: this.findings };
  }
}
