import {
  chartImages,
  composeImages,
  MEDIA,
  parseApplicationDescription,
  referenceOfComponent,
  resourceMediaType,
  type ApplicationDescription,
  type Component,
  type ResourceKind,
} from '@margo-trust/margo';
import type { Descriptor, OciLayout } from '@margo-trust/oci';
import { packDirectory } from './archive.ts';
import { writeArtifact, type Part } from './artifact.ts';
import type { DemoFiles } from './load.ts';
import { packImage } from './pack-image.ts';

export interface PackedArtifact {
  /** In full, as the Application Description or the component names it. */
  readonly reference: string;
  readonly descriptor: Descriptor;
}

export interface PackedApplication {
  readonly id: string;
  /** The package's tag in the layout. */
  readonly version: string;
  readonly package: Descriptor;
  readonly components: readonly PackedArtifact[];
  readonly images: readonly PackedArtifact[];
}

/**
 * Packs one of Margo's example applications into a layout, with everything that its description leads to: components and
 * their images, each under the full reference it is named by; the Application Package under its version.
 *
 * The same files give the same digests on every machine.
 */
export async function packApplication(layout: OciLayout, files: DemoFiles): Promise<PackedApplication> {
  const description = parseApplicationDescription(fileAt(files, 'margo.yaml'));
  const components: PackedArtifact[] = [];
  const images: PackedArtifact[] = [];
  for (const profile of description.profiles) {
    for (const component of profile.components) {
      const isHelm = profile.type === 'helm';
      const packComponent = isHelm ? packChart : packCompose;
      const descriptor = await packComponent(layout, component, files);
      components.push({ reference: referenceOfComponent(component), descriptor });
      const named = isHelm
        ? chartImages(fileAt(files, 'chart/Chart.yaml'), files.get('chart/values.yaml'))
        : composeImages(fileAt(files, 'compose/compose.yaml'));
      for (const reference of named.images) images.push({ reference, descriptor: await packImage(layout, reference) });
    }
  }
  const { id, version } = description;
  return { id, version, package: await packPackage(layout, description, files), components, images };
}

/** Margo application registry, *Application Package*: the description first, then the resources it names. */
async function packPackage(
  layout: OciLayout,
  description: ApplicationDescription,
  files: DemoFiles,
): Promise<Descriptor> {
  const resources = Object.entries(description.resources) as [ResourceKind, string][];
  const layers: Part[] = [
    { mediaType: MEDIA.appDescription, data: fileAt(files, 'margo.yaml'), annotations: titled('margo.yaml') },
    ...resources.map(([kind, path]) => ({
      mediaType: resourceMediaType(kind, path),
      data: fileAt(files, path),
      annotations: titled(path),
    })),
  ];
  return writeArtifact(layout, { artifactType: MEDIA.app, layers }, { tag: description.version });
}

/** A Compose Archive (Margo SUP-01): one directory with `compose.yaml` in it. */
async function packCompose(layout: OciLayout, component: Component, files: DemoFiles): Promise<Descriptor> {
  const data = packDirectory(files, 'compose', component.name);
  const annotations = {
    'org.margo.component.type': 'compose',
    'org.margo.component.version': component.revision,
    ...titled(component.name),
  };
  const layer = { mediaType: MEDIA.composeLayer, data, annotations: titled(`${component.name}.tar.gz`) };
  return writeArtifact(
    layout,
    { artifactType: MEDIA.compose, layers: [layer], annotations },
    { tag: referenceOfComponent(component) },
  );
}

/** A chart as `helm package` and `helm push` make it: Helm asks that the repository ends with the chart's name. */
async function packChart(layout: OciLayout, component: Component, files: DemoFiles): Promise<Descriptor> {
  const name = component.repository.slice(component.repository.lastIndexOf('/') + 1);
  return writeArtifact(
    layout,
    {
      config: { mediaType: MEDIA.helmConfig, data: compactJson(fileAt(files, 'helm-config.json')) },
      layers: [{ mediaType: MEDIA.helmLayer, data: packDirectory(files, 'chart', name) }],
      annotations: { ...titled(name), 'org.opencontainers.image.version': component.revision },
    },
    { tag: referenceOfComponent(component) },
  );
}

function compactJson(bytes: Uint8Array): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(JSON.parse(new TextDecoder().decode(bytes))));
}

function titled(title: string): Record<string, string> {
  return { 'org.opencontainers.image.title': title };
}

function fileAt(files: DemoFiles, path: string): Uint8Array {
  const content = files.get(path);
  if (!content) throw new Error(`The demonstration lacks its file ${path}.`);
  return content;
}
