import type { Descriptor } from './descriptor.ts';

/** A manifest or an index as stored: the bytes that its digest covers, and what they say. */
export type Manifest = ImageManifest | ImageIndex;

interface Stored {
  readonly bytes: Uint8Array;
  /** `artifactType` is the effective one: the manifest's own, else its config's media type. */
  readonly descriptor: Descriptor;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ImageManifest extends Stored {
  readonly kind: 'manifest';
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface ImageIndex extends Stored {
  readonly kind: 'index';
  readonly manifests: readonly Descriptor[];
}

export declare function parseManifest(bytes: Uint8Array, mediaType?: string): Manifest;
