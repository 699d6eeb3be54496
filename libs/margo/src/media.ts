/** Media and artifact types of Margo's packages, verbatim from its application registry page and SUP-01. */
export const MEDIA = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  imageConfig: 'application/vnd.oci.image.config.v1+json',
  imageLayer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  empty: 'application/vnd.oci.empty.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',

  app: 'application/vnd.margo.app.v1+json',
  appDescription: 'application/vnd.margo.app.description.v1+yaml',

  compose: 'application/vnd.org.margo.component.compose+json',
  composeLayer: 'application/vnd.org.margo.component.compose.tar+gzip',

  helmConfig: 'application/vnd.cncf.helm.config.v1+json',
  helmLayer: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip',

  deploymentBundle: 'application/vnd.margo.bundle.v1+tar+gzip',
  stateManifest: 'application/vnd.margo.manifest.v1+json',

  notarySignature: 'application/vnd.cncf.notary.signature',
  cose: 'application/cose',
  jose: 'application/jose+json',

  release: 'application/vnd.margo.trust.release.v1+json',
} as const;

export type ResourceKind = 'icon' | 'descriptionFile' | 'licenseFile' | 'releaseNotes';

/**
 * The layer media type of a package's resource, `application/vnd.margo.app.<kind>.v1+<fmt>`.
 *
 * Margo leaves `{fmt}` open and its own example uses MIME subtypes (`markdown`, `jpeg`); so do we.
 */
export function resourceMediaType(kind: ResourceKind, path: string): string {
  const extension = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? '';
  return `application/vnd.margo.app.${kind}.v1+${SUBTYPES[extension] ?? (extension || 'octet-stream')}`;
}

const SUBTYPES: Readonly<Record<string, string>> = {
  md: 'markdown',
  markdown: 'markdown',
  txt: 'plain',
  htm: 'html',
  jpg: 'jpeg',
  svg: 'svg+xml',
};

/** What a statement's subject `oci:<short name>:<digest>` calls an artifact. */
export type ShortName = 'app' | 'compose' | 'helm' | 'image' | 'index' | 'release' | 'artifact';

/** The short name of an artifact's effective type, as {@link artifactTypeOf} tells it; `artifact` for any type not listed. */
export function shortNameOf(type: string): ShortName {
  return SHORT_NAMES.get(type) ?? 'artifact';
}

const SHORT_NAMES: ReadonlyMap<string, ShortName> = new Map([
  [MEDIA.app, 'app'],
  [MEDIA.compose, 'compose'],
  [MEDIA.helmConfig, 'helm'],
  [MEDIA.imageConfig, 'image'],
  [MEDIA.dockerConfig, 'image'],
  [MEDIA.manifest, 'image'],
  [MEDIA.dockerManifest, 'image'],
  [MEDIA.index, 'index'],
  [MEDIA.dockerIndex, 'index'],
  [MEDIA.release, 'release'],
]);

/**
 * What kind of thing a manifest is: its `artifactType`, else its config's media type, else its own
 * (OCI image-spec v1.1, *Guidelines for Artifact Usage*).
 */
export function artifactTypeOf(manifest: {
  readonly mediaType: string;
  readonly artifactType?: string | undefined;
  readonly config?: { readonly mediaType: string } | undefined;
}): string {
  return manifest.artifactType || manifest.config?.mediaType || manifest.mediaType;
}
