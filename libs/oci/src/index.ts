export { OciFault, type OciFaultCode } from './fault.ts';
export { describe, isDigest, parseDescriptor, type Descriptor, type Platform } from './descriptor.ts';
export { parseManifest, type ImageIndex, type ImageManifest, type Manifest } from './manifest.ts';
export {
  encodeReference,
  parseReference,
  type LayoutReference,
  type Reference,
  type RegistryReference,
} from './reference.ts';
export type { OciSource, OciTarget, WriteOptions } from './source.ts';
export { OciLayout } from './layout.ts';
export { OciRegistry, type RegistryOptions } from './registry.ts';
export { dockerCredentials, type Credentials, type CredentialStore } from './credentials.ts';
export { openReference } from './open.ts';
export { copyGraph, type CopyOptions } from './copy.ts';
export { attachReferrer, encodeReferrer, writeArtifact, type EncodedArtifact, type Referrer } from './referrer.ts';
export {
  attachSignature,
  encodeSignatureManifest,
  findSignatures,
  parseSignatureManifest,
  type EnvelopeType,
  type FoundSignature,
  type SignatureManifest,
  type SignatureToStore,
} from './signature.ts';
export { gunzip } from './gunzip.ts';
