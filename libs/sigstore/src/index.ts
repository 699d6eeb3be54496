export { SigstoreFault, type SigstoreFaultCode } from './fault.ts';
export { encodeCanonicalJson, type JsonText } from './canonical-json.ts';
export { KEY_KINDS, type KeyDetails, type KeyKind } from './key-details.ts';
export { encodeHashedRekord, HASHED_REKORD_TYPE, parseHashedRekord, type HashedRekord } from './hashed-rekord.ts';
export { encodePae, MAX_REQUEST_BYTES, parseEntryRequest } from './entry-request.ts';
export { describeLogEntry, type LogEntry } from './log-entry.ts';
export {
  describeTrustedRoot,
  sigstoreLogId,
  type SigstoreTrust,
  type TrustedAuthority,
  type TrustedTlog,
  type Window,
} from './trusted-root.ts';
export { describeSigningConfig, type SigningServices } from './signing-config.ts';
export {
  describeIssuers,
  describeSigningCert,
  describeTrustBundle,
  MAX_SIGNING_CERT_BYTES,
  parseSigningCertRequest,
  type SigningCertRequest,
} from './signing-cert.ts';
export { readTimestampQuery, type TimestampQuery } from './timestamp-query.ts';
