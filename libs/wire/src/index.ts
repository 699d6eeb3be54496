export {
  BooleanField,
  ChoiceField,
  ChoicesField,
  type FieldOptions,
  IntegerField,
  ObjectField,
  ObjectsField,
  TextField,
  type TextOptions,
  TextsField,
  TimeField,
} from './fields.ts';
export {
  LoggedPolicy,
  PolicyDocument,
  PolicyProposal,
  PolicyProposalList,
  PolicyProposalRequest,
  PolicyRate,
  PolicyState,
  PolicyStatement,
} from './policy.ts';
export { FieldError, Problem } from './problem.ts';
export {
  ApprovalRequest,
  Me,
  MEMBER_ROLES,
  type MemberRole,
  Membership,
  type Persona,
  PERSONAS,
  SuspensionRequest,
  Vendor,
  VENDOR_STATUSES,
  VendorApplication,
  VendorApproval,
  VendorClaims,
  VendorPage,
  type VendorStatus,
  VendorSubject,
} from './vendors.ts';
export {
  Certificate,
  CertificatePage,
  CertificateRequest,
  Revocation,
  REVOCATION_REASONS,
  type RevocationReason,
  RevocationRequest,
} from './certificates.ts';
export { LogEntry, LogEntryDetail, LogEntryPage, LogSummary, PAGE_LIMIT } from './log.ts';
