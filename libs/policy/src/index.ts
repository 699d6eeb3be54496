export { AdmissionFault, PolicyFault, type AdmissionFaultCode, type PolicyFaultCode } from './fault.ts';
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
export { chainId, isValidAt, VerifiedPaths, type SigningTrust } from './verified-paths.ts';
export {
  admitAlgorithm,
  admitChain,
  admitClaims,
  admitContent,
  decideAdmission,
  refuseStanding,
  type AdmissionFacts,
} from './decide.ts';
export { admitHashedRekord, decideHashedRekord, digestOfHashedRekord, unknownVendor } from './decide-hashed-rekord.ts';
export {
  findPatternFlaw,
  isSubjectOf,
  literalPrefix,
  MAX_SUBJECT_LENGTH,
  type WorkloadRule,
} from './workload-binding.ts';
