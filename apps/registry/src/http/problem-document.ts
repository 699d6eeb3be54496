import { encodeCbor } from '@margo-trust/cbor';
import { Fault } from '@margo-trust/fault';
import type { Problem } from '@margo-trust/wire';
import { HttpFault } from './http.fault.ts';
import { RateLimitFault } from './rate-limit.fault.ts';
import { type FaultCode, PROBLEMS, type ProblemKind } from './problems.ts';

/** Describes a fault as RFC 9457 does, with Margo's extension members. `instance` names the request. */
export function problemFor(fault: Fault, domain: string, instance: string): Problem {
  const code = fault.code as FaultCode;
  const { status, title, ...kind }: ProblemKind = PROBLEMS[code];
  const retryAfterSeconds = fault instanceof RateLimitFault ? fault.retryAfterSeconds : kind.retryAfterSeconds;
  const problem: Problem = {
    type: `https://${domain}/errors/${code}`,
    title,
    status,
    detail: fault.message,
    code,
    instance,
    retryable: retryAfterSeconds !== undefined,
  };
  if (retryAfterSeconds !== undefined) Object.assign(problem, { retryAfterSeconds, backoffStrategy: 'fixed' });
  if (fault instanceof HttpFault && fault.errors !== undefined) problem.errors = [...fault.errors];
  return problem;
}

/** Whether the table knows this error. Everything else is a bug of ours and must not be explained to the caller. */
export function isKnownFault(error: unknown): error is Fault {
  return error instanceof Fault && Object.hasOwn(PROBLEMS, error.code);
}

/**
 * The same problem as Concise Problem Details (RFC 9290 §2): title −1, detail −2, instance −3, response code −4 in
 * CoAP's form (class × 32 + detail). Our code rides in a custom entry, whose key must be a URI (§3.2).
 */
export function encodeConciseProblem(problem: Problem): Uint8Array {
  const { status } = problem;
  const ours = new Map<string, string | boolean>([
    ['code', problem.code],
    ['retryable', problem.retryable],
  ]);
  return encodeCbor(
    new Map<number | string, string | number | Map<string, string | boolean>>([
      [-1, scrapiTitle(problem)],
      [-2, problem.detail],
      [-3, problem.instance],
      [-4, Math.floor(status / 100) * 32 + (status % 100)],
      [problem.type.slice(0, -problem.code.length - 1), ours],
    ]),
  );
}

/** SCRAPI's own words for what went wrong (draft-ietf-scitt-scrapi-11 §2); the code says it more exactly. */
function scrapiTitle({ status, title, code }: Problem): string {
  if (status === 404) return title === 'No such key' ? title : 'Not Found';
  if (status !== 400 || SCRAPI_TITLES.includes(title)) return title;
  return /^(?:registration|crypto|x509)\//.test(code) ? 'Rejected' : 'Malformed request';
}

const SCRAPI_TITLES = ['Malformed request', 'Bad Signature Algorithm', 'Payload Missing', 'Rejected'];
