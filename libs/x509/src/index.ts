export { X509Fault, type CrlReason, type Revocation, type X509FaultCode } from './fault.ts';
export { DEFAULT_POLICY_ARC, OID } from './oid.ts';
export type {
  Certificate,
  Crl,
  CrlEntry,
  DistributionPoint,
  Extension,
  GeneralName,
  IssuingDistributionPoint,
  KeyUsage,
  Name,
  NameAttribute,
  NameConstraints,
  PolicyConstraints,
  PolicyMapping,
} from './model.ts';

export { MAX_CERTIFICATE_BYTES, parseCertificate, readSerial } from './certificate.ts';
export { crlScopeKey, parseCrl, verifyCrl, verifyCrlSuccession } from './crl.ts';
export { parseCsr, verifyCsr, type Csr } from './csr.ts';
export { areEqualNames, nameText, parseName } from './name.ts';
export { encodePem, parsePem, type PemLabel } from './pem.ts';
export { findExtension } from './extension.ts';

export { verifyPath, type PathRequest, type VerifiedPath } from './path.ts';
export type { PathLimits } from './budget.ts';
export type { PolicyRequest } from './policies.ts';
export { findUnknownCritical } from './validate-path.ts';
export {
  STRENGTH,
  verifyKeyStrength,
  verifySignatureStrength,
  type AnchorPurpose,
  type StrengthRules,
} from './strength.ts';
export {
  embedScts,
  readScts,
  removeScts,
  sctToBeSigned,
  verifySct,
  type PrecertificateEntry,
  type Sct,
} from './sct.ts';
export { findRevocation, type RevocationRequest, type RevocationRules } from './revocation.ts';

export { certificateSignatureAlgorithm, encodeSignatureAlgorithm, readSignatureAlgorithm } from './algorithm.ts';
export { assembleSigned, encodeSignatureValue, verifySigned } from './signature.ts';
export { encodeTbsCertificate, shapeSerial, type CertificateSpec } from './tbs-certificate.ts';
export { encodeTbsCrl, type CrlScope, type CrlSpec } from './tbs-crl.ts';
export { encodeSubject, type SubjectFields } from './subject.ts';
export {
  issuingCaProfile,
  rootProfile,
  tsaCaProfile,
  tsaProfile,
  type IssuingCaInput,
  type ProfileInput,
  type SubordinateInput,
} from './ca-profile.ts';
export {
  findAssurance,
  isVendorUri,
  leafProfile,
  policyOid,
  readAssurance,
  type Assurance,
  type LeafInput,
} from './leaf-profile.ts';
export { readWorkload, WORKLOAD_FACTS, type WorkloadFact, type WorkloadFields } from './workload.ts';
export { lintCa, lintCrl, lintLeaf, lintTsa } from './lint.ts';
export type { CaContext, CrlContext, IssuedContext, LeafContext } from './profile/rule.ts';

// DER, for libs/timestamp: everything else has no business with it.
export {
  DerCursor,
  openDer,
  readBoolean,
  readDer,
  readElements,
  readIntegerBytes,
  readOid,
  readSmallInteger,
  readUnsigned,
  type DerNode,
} from './der/read.ts';
export { contextTag, TAG } from './der/tag.ts';
export { derGeneralizedTime, derTime, readTime } from './der/time.ts';
export {
  derBitString,
  derBoolean,
  derExplicit,
  derImplicit,
  derInteger,
  derNamedBits,
  derNull,
  derOctetString,
  derOid,
  derPrimitive,
  derRetag,
  derSequence,
  derSetOf,
} from './der/write.ts';
