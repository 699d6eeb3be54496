export { TimestampFault, type TimestampFaultCode } from './fault.ts';
export type { TimestampHash } from './hash.ts';
export type { MessageImprint } from './imprint.ts';
export { encodeTimestampRequest, parseTimestampRequest, type TimestampRequest } from './request.ts';
export { encodeTimestampResponse, failureOf, parseTimestampResponse, type TimestampFailure } from './response.ts';
export type { TstInfo } from './tst-info.ts';
export { draftTimestampToken, type TokenDraft, type TokenSpec } from './draft.ts';
export { MAX_TOKEN_BYTES, parseTimestampToken, type SignerId, type SignerInfo, type TimestampToken } from './token.ts';
export { verifyTimestampToken, type TimestampTrust, type VerifiedTimestamp } from './verify.ts';
