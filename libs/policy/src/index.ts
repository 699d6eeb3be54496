export {
  AdmissionFault,
  AnchorFault,
  PolicyFault,
  type AdmissionFaultCode,
  type AnchorFaultCode,
  type PolicyFaultCode,
} from './fault.ts';
export {
  describeRegistrationPolicy,
  encodeRegistrationPolicy,
  FOUNDING_POLICY,
  parseRegistrationPolicy,
  POLICY_LIMITS,
  readRegistrationPolicy,
  type AdmittedStatement,
  type ClaimCheck,
  type PayloadSchema,
  type RateLimit,
  type RegistrationPolicy,
} from './policy.ts';
export { findAnchorFlaws, type AnchorHolder } from './anchor-flaws.ts';
export {
  ANCHOR_PURPOSES,
  claimsUnder,
  describeAnchor,
  judgeAnchor,
  parseAnchorRecord,
  type AnchorTerms,
  type RegisteredAnchor,
} from './registered-anchor.ts';
export {
  attributesOf,
  findPatternFlaws,
  matchesSubject,
  SUBJECT_ATTRIBUTES,
  type SubjectAttribute,
  type SubjectPattern,
} from './subject-pattern.ts';
export { chainId, isValidAt, VerifiedPaths, type SigningTrust } from './verified-paths.ts';
export {
  admitAlgorithm,
  admitChain,
  admitClaims,
  admitContent,
  decideAdmission,
  refuseStanding,
  type AdmissionFacts,
  type SigningPath,
} from './decide.ts';
export { admitHashedRekord, decideHashedRekord, digestOfHashedRekord, unknownVendor } from './decide-hashed-rekord.ts';
export {
  findPatternFlaw,
  isSubjectOf,
  literalPrefix,
  MAX_SUBJECT_LENGTH,
  type WorkloadRule,
} from './workload-binding.ts';
