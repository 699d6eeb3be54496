import { Fault } from '@margo-trust/fault';
import type { SignatureAlgorithm } from '@margo-trust/crypto';
import type { Certificate } from '@margo-trust/x509';

export type TimestampFaultCode =
  | 'timestamp/bad-signature'
  | 'timestamp/imprint-mismatch'
  | 'timestamp/malformed'
  | 'timestamp/refused'
  | 'timestamp/unsupported'
  | 'timestamp/untrusted';
export declare class TimestampFault extends Fault<TimestampFaultCode> {}

export type TimestampHash = 'SHA-256' | 'SHA-384' | 'SHA-512';
export interface TimestampRequest {
  hash: TimestampHash;
  imprint: Uint8Array;
  policy?: string;
  nonce?: Uint8Array;
  certReq: boolean;
}
export declare function parseTimestampRequest(der: Uint8Array): TimestampRequest;
export declare function encodeTimestampRequest(request: TimestampRequest): Uint8Array;

export interface TokenSpec {
  hash: TimestampHash;
  imprint: Uint8Array;
  /** Unsigned, big-endian */
  serial: Uint8Array;
  genTime: Date;
  /** OID */
  policy: string;
  nonce?: Uint8Array;
  tsaCertificate: Certificate;
  includeCertificate: boolean;
}
export interface TokenDraft {
  algorithm: SignatureAlgorithm;
  /** What the TSA's key signs. */
  toBeSigned: Uint8Array;
  /** `signature` raw r‖s for ECDSA. Returns the TimeStampToken (DER). */
  finish(signature: Uint8Array): Uint8Array;
}
export declare function draftTimestampToken(spec: TokenSpec): TokenDraft;

export type TimestampFailure =
  | 'badAlg'
  | 'badRequest'
  | 'badDataFormat'
  | 'timeNotAvailable'
  | 'unacceptedPolicy'
  | 'unacceptedExtension'
  | 'systemFailure';
export declare function encodeTimestampResponse(
  answer: { token: Uint8Array } | { failure: TimestampFailure; text?: string },
): Uint8Array;
/** Fault timestamp/refused when the TSA said no. */
export declare function parseTimestampResponse(der: Uint8Array): { token: Uint8Array };
export declare function verifyTimestampToken(
  token: Uint8Array,
  message: Uint8Array,
  trust: { anchors: readonly (Uint8Array | Certificate)[]; intermediates?: readonly (Uint8Array | Certificate)[] },
): { genTime: Date; tsa: Certificate; policy: string };
