export { TufFault, type TufFaultCode } from './fault.ts';
export { encodeCanonicalJson, type CanonicalJson } from './canonical-json.ts';
export { encodePublicKeyPem, parsePublicKeyPem } from './pem.ts';
export { tufKeyFromSpki, tufKeyId, findPublicKey, type TufKey } from './key.ts';
export {
  MAX_BYTES,
  TOP_LEVEL_ROLES,
  type Delegation,
  type MetaFile,
  type Metadata,
  type RoleKeys,
  type RootMetadata,
  type Signed,
  type SnapshotMetadata,
  type TargetFile,
  type TargetsMetadata,
  type TimestampMetadata,
  type TopLevelRole,
  type TufSignature,
} from './metadata.ts';
export { encodeTufTime, parseTufTime } from './time.ts';
export { isDelegatedRoleName, isPathPattern, isTargetName, matchesPattern, metadataPath, targetPath } from './names.ts';
export { parseRoot, parseSnapshot, parseTargets, parseTimestamp } from './parse.ts';
export { findSigners, verifyThreshold, type SignedBytes } from './threshold.ts';
export {
  rotatesOnlineKeys,
  verifyDelegated,
  verifyInitialRoot,
  verifyListedBytes,
  verifyNextRoot,
  verifySnapshot,
  verifyTargets,
  verifyTimestamp,
} from './trusted-set.ts';
export {
  assembleMetadata,
  describeTarget,
  draftMetadata,
  draftRoot,
  draftSnapshot,
  draftTargets,
  draftTimestamp,
  tufSignature,
  type DelegationDescription,
  type RoleDescription,
  type RootDescription,
  type SnapshotDescription,
  type TargetsDescription,
  type TimestampDescription,
} from './write.ts';
export {
  assembleCeremony,
  CEREMONY_ROLES,
  draftCeremony,
  encodeCeremonyPlan,
  encodeCeremonySignatures,
  hashCeremonyPlan,
  OFFLINE_LIFETIME_MS,
  parseCeremonyPlan,
  parseCeremonySignatures,
  type CeremonyDraft,
  type CeremonyPlan,
  type CeremonyRole,
  type CeremonySignatures,
} from './ceremony.ts';
export {
  refreshTuf,
  type ExpiryPolicy,
  type StaleRole,
  type TrustedMetadata,
  type TufStart,
  type TufStep,
} from './refresh.ts';
export { openTargets, openTufSnapshot, vouchedTargets, type TufFileSet, type TufSnapshot } from './open.ts';
export { lintRepository, type Finding } from './lint/lint.ts';
export type { TufClient } from './lint/file-rules.ts';
