import type { BytesFault } from '@margo-trust/bytes';
import type { Fault } from '@margo-trust/fault';
import type { CallerFault } from '../callers/caller.fault.ts';
import type { VendorFault } from '../vendors/vendor.fault.ts';
import type { HttpFault } from './http.fault.ts';

/** How a code looks from outside. `title` is the same for every occurrence; `detail` is the fault's message. */
export interface ProblemKind {
  status: number;
  title: string;
  /** Present when the same request may succeed later. */
  retryAfterSeconds?: number;
}

/** The faults that can reach a caller. An area adds its own here, and the compiler asks for the rows below. */
type AnyFault = HttpFault | CallerFault | BytesFault | VendorFault;

export type FaultCode = CodeOf<AnyFault>;
type CodeOf<F> = F extends Fault<infer Code> ? Code : never;

/** Every code a caller can meet. A new code without a line here does not compile. */
export const PROBLEMS: Record<FaultCode, ProblemKind> = {
  'http/body-incomplete': { status: 400, title: 'Body ended early' },
  'http/body-too-large': { status: 413, title: 'Body too large' },
  'http/internal': { status: 500, title: 'Internal error' },
  'http/invalid-body': { status: 422, title: 'Invalid members in the body' },
  'http/invalid-query': { status: 400, title: 'Invalid query' },
  'http/malformed-request': { status: 400, title: 'Malformed request' },
  'http/method-not-allowed': { status: 405, title: 'Method not allowed' },
  'http/not-an-object': { status: 400, title: 'Not a JSON object' },
  'http/not-found': { status: 404, title: 'Not found' },
  'http/not-ready': { status: 503, title: 'Not ready', retryAfterSeconds: 1 },
  'http/unsupported-media-type': { status: 415, title: 'Unsupported media type' },

  'caller/forbidden': { status: 403, title: 'Not allowed' },
  'caller/invalid-token': { status: 401, title: 'Access token refused' },
  'caller/issuer-unreachable': { status: 503, title: 'Sign-in is unreachable', retryAfterSeconds: 5 },
  'caller/unauthenticated': { status: 401, title: 'Sign in first' },

  'bytes/bad-base64': { status: 400, title: 'Malformed base64' },
  'bytes/bad-hex': { status: 400, title: 'Malformed hexadecimal' },
  'bytes/bad-json': { status: 400, title: 'Malformed JSON' },
  'bytes/bad-utf8': { status: 400, title: 'Malformed text' },
  'bytes/duplicate-key': { status: 400, title: 'Member named twice' },
  'bytes/lone-surrogate': { status: 400, title: 'Malformed text' },
  'bytes/too-deep': { status: 400, title: 'Nested too deeply' },
  'bytes/too-large': { status: 413, title: 'Body too large' },

  'vendor/already-approved': { status: 409, title: 'Already approved by you' },
  'vendor/claim-taken': { status: 409, title: 'Claim belongs to another vendor' },
  'vendor/not-found': { status: 404, title: 'No such vendor' },
  'vendor/own-organisation': { status: 403, title: 'Not for your own organisation' },
  'vendor/subject-taken': { status: 409, title: 'Name belongs to another vendor' },
  'vendor/wrong-status': { status: 409, title: 'Not possible in this status' },
};
