import type { Descriptor } from './descriptor.ts';
import type { Manifest } from './manifest.ts';

/**
 * One repository's worth of artifacts, wherever it lives: a registry or an image layout directory.
 *
 * Whatever a method returns has the digest and size that were asked for; everything else in it is as its author wrote it.
 */
export interface OciSource {
  /** How a person names this place: `registry.example/acme/app` or `layout:./dir`. */
  readonly name: string;

  /** What a tag, a digest or (in a layout) a full reference stands for now. `oci/not-found` when nothing does. */
  resolve(reference: string): Promise<Descriptor>;

  loadManifest(descriptor: Pick<Descriptor, 'digest'> & Partial<Descriptor>): Promise<Manifest>;

  /** The whole blob, at most `maxBytes` (default 64 MiB); {@link openBlob} for more. */
  loadBlob(descriptor: Descriptor, maxBytes?: number): Promise<Uint8Array>;

  /** The blob piece by piece. The pieces mean nothing until the iteration ends: only then is the digest checked. */
  openBlob(descriptor: Descriptor): AsyncIterable<Uint8Array>;

  hasBlob(descriptor: Descriptor): Promise<boolean>;

  /**
   * Manifests whose `subject` is this digest, each with its effective `artifactType`. Anyone who may push may add one.
   * Where a registry does not say a referrer's type, it is listed whatever `artifactType` asks for.
   */
  referrers(digest: string, artifactType?: string): Promise<Descriptor[]>;

  tags(): Promise<string[]>;
}

/** A source that can also be written. Writing what is already there is not an error. */
export interface OciTarget extends OciSource {
  writeBlob(descriptor: Descriptor, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<void>;

  /**
   * Stores a manifest byte for byte; what it refers to must be there already. A `subject` in it makes it a referrer.
   * `nested` says that it is only part of an index and needs no entry of its own.
   */
  writeManifest(bytes: Uint8Array, options?: WriteOptions): Promise<Descriptor>;

  /** Takes a referrer away: an improved signature replaces the old one. `oci/refused` where deleting is switched off. */
  removeReferrer(subject: string, referrer: Descriptor): Promise<void>;
}

export interface WriteOptions {
  /** In a layout also a full reference, so that one layout can hold an application with all its parts. */
  readonly tag?: string;
  readonly nested?: boolean;
}
