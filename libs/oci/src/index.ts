import type { Descriptor } from './descriptor.ts';
import type { OciFault } from './fault.ts';
import type { OciSource, OciTarget } from './source.ts';
export { OciFault, type OciFaultCode } from './fault.ts';
export { describe, type Descriptor, type Platform } from './descriptor.ts';
export { parseManifest, type ImageIndex, type ImageManifest, type Manifest } from './manifest.ts';
export type { OciSource, OciTarget } from './source.ts';

export type Reference =
  | {
      readonly kind: 'registry';
      readonly registry: string;
      readonly repository: string;
      readonly tag?: string;
      readonly digest?: string;
    }
  | { readonly kind: 'layout'; readonly path: string; readonly tag?: string; readonly digest?: string };
/** `[oci://]registry/repository[:tag][@digest]` or `layout:dir[:tag][@digest]`. */
export declare function parseReference(text: string): Reference;
export declare function encodeReference(reference: Reference): string;

export type Credentials = { readonly username: string; readonly password: string } | { readonly identityToken: string };
export type CredentialStore = (registry: string) => Promise<Credentials | undefined>;
export declare function dockerCredentials(configFile: string): CredentialStore;
export interface RegistryOptions {
  readonly credentials?: CredentialStore;
  readonly plainHttp?: readonly string[];
  readonly idleSeconds?: number;
  readonly userAgent?: string;
}
export declare class OciRegistry {
  constructor(registry: string, repository: string, options?: RegistryOptions);
}
export interface OciRegistry extends OciTarget {}
export declare class OciLayout {
  static open(directory: string): Promise<OciLayout>;
  static create(directory: string): Promise<OciLayout>;
}
export interface OciLayout extends OciTarget {}
/** Opens what a reference names; `reference` is its digest or tag, for `resolve`. */
export declare function openReference(
  text: string,
  options?: RegistryOptions,
): Promise<{ place: OciTarget; reference: string }>;
export declare function copyGraph(
  source: OciSource,
  target: OciTarget,
  descriptor: Descriptor,
  options?: { referrers?: boolean; tag?: string },
): Promise<{ manifests: number; blobs: number }>;
export declare function attachReferrer(
  target: OciTarget,
  referrer: {
    subject: Descriptor;
    artifactType: string;
    config?: { mediaType: string; data: Uint8Array };
    layers: { mediaType: string; data: Uint8Array; annotations?: Record<string, string> }[];
    annotations?: Record<string, string>;
  },
): Promise<Descriptor>;
export declare function encodeSignatureManifest(signature: {
  subject: Descriptor;
  envelope: Uint8Array;
  chain: readonly Uint8Array[];
  envelopeType?: EnvelopeType;
}): { manifest: Uint8Array; descriptor: Descriptor; blobs: { descriptor: Descriptor; data: Uint8Array }[] };
export type EnvelopeType = 'application/cose' | 'application/jose+json';
export declare function attachSignature(
  target: OciTarget,
  signature: Parameters<typeof encodeSignatureManifest>[0],
): Promise<Descriptor>;
export type FoundSignature =
  | {
      readonly descriptor: Descriptor;
      readonly envelopeType: EnvelopeType;
      readonly envelope: Uint8Array;
      readonly thumbprints: readonly string[];
    }
  | { readonly descriptor: Descriptor; readonly fault: OciFault };
export declare function findSignatures(
  source: OciSource,
  subject: Descriptor,
  limits?: { maxSignatures?: number; maxBytes?: number },
): AsyncGenerator<FoundSignature>;
export declare function gunzip(bytes: Uint8Array, maxBytes: number): Uint8Array;
