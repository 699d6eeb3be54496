export { VerifyFault, type VerifyFaultCode } from './fault.ts';
export {
  encodeEvidenceBundle,
  EVIDENCE_BUNDLE,
  parseEvidenceBundle,
  verifyEvidenceBundle,
  type BundledArtifact,
  type BundleQuestion,
  type EvidenceBundle,
} from './bundle.ts';
export {
  COMMON_TARGETS,
  isRecordKeyAt,
  parseTrustRoot,
  parseTrustRootDocument,
  REVOCATION_FILTER,
  revokedShard,
  vendorShard,
  vendorTargets,
  type Anchor,
  type PublishedAnchor,
  type PublishedDeviceCa,
  type PublishedVendor,
  type RecordKey,
  type Revocation,
  type RevocationList,
  type TimestampAnchor,
  type TrustedLog,
  type TrustRoot,
  type TrustRootDocument,
  type Witnessing,
  type WitnessDemand,
} from './trust-root.ts';
export { adviceFor, type Check, type CheckName, type Finding, type Freshness, type Verdict } from './verdict.ts';
export { type DeviceFinding } from './device-directory.ts';
export { Verifier, type HeldArtifact } from './verifier.ts';
export { type Witnessed, type WitnessOptions } from './witnesses.ts';
