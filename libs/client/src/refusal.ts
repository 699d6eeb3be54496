import { parseJson } from '@margo-trust/bytes';
import { decodeCbor, isCborMap, type CborMap } from '@margo-trust/cbor';
import { Fault } from '@margo-trust/fault';
import { ClientFault } from './fault.ts';
import type { HttpReply } from './exchange.ts';

/** A request that the registry refused. `code` and message are the registry's own. */
export class RegistryFault extends Fault {
  readonly status: number;
  /** Members of the request that were refused, each with the reason. */
  readonly errors: readonly { readonly field: string; readonly message: string }[];
  /** After how many seconds the same request may succeed; absent if it never will. */
  readonly retryAfterSeconds?: number;

  constructor(code: string, message: string, details: Pick<RegistryFault, 'status' | 'errors' | 'retryAfterSeconds'>) {
    super(code, message);
    this.status = details.status;
    this.errors = details.errors;
    if (details.retryAfterSeconds !== undefined) this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

/**
 * What an answer that is no success says: problem details as JSON (RFC 9457) or, on SCRAPI's routes, in CBOR (RFC 9290).
 * An answer that explains nothing becomes client/bad-status.
 */
export function readRefusal({ status, headers, body }: HttpReply): RegistryFault | ClientFault {
  const problem = readProblem(headers.get('content-type') ?? '', body);
  if (!problem) return new ClientFault('client/bad-status', `The registry answers ${status} without a reason.`);
  const seconds = Number(headers.get('retry-after') ?? problem.retryAfterSeconds ?? NaN);
  return new RegistryFault(problem.code, problem.detail, {
    status,
    errors: problem.errors,
    ...(Number.isFinite(seconds) && seconds >= 0 && { retryAfterSeconds: seconds }),
  });
}

interface Explained {
  readonly code: string;
  readonly detail: string;
  readonly errors: RegistryFault['errors'];
  readonly retryAfterSeconds?: unknown;
}

function readProblem(mediaType: string, body: Uint8Array): Explained | undefined {
  try {
    if (mediaType.startsWith('application/problem+json')) return readJson(parseJson(body));
    if (mediaType.startsWith('application/concise-problem-details+cbor')) return readConcise(decodeCbor(body));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
  return undefined;
}

function readJson(value: unknown): Explained | undefined {
  if (!isObject(value) || !isCode(value['code'])) return undefined;
  const { code, detail, title, retryAfterSeconds } = value;
  const errors = Array.isArray(value['errors']) ? value['errors'].filter(isFieldError) : [];
  return { code, detail: firstText(detail, title), errors, retryAfterSeconds };
}

/** Title −1, detail −2; our code is in the custom entry, whose key is a URI. */
function readConcise(value: unknown): Explained | undefined {
  if (!isCborMap(value as CborMap)) return undefined;
  const problem = value as CborMap;
  for (const [key, entry] of problem) {
    if (typeof key !== 'string' || !isCborMap(entry)) continue;
    const code = entry.get('code');
    if (isCode(code)) return { code, detail: firstText(problem.get(-2), problem.get(-1)), errors: [] };
  }
  return undefined;
}

function isFieldError(value: unknown): value is { field: string; message: string } {
  return isObject(value) && typeof value['field'] === 'string' && typeof value['message'] === 'string';
}

function isCode(value: unknown): value is string {
  return typeof value === 'string' && /^[a-z0-9-]{1,40}\/[a-z0-9-]{1,60}$/.test(value);
}

function firstText(...values: readonly unknown[]): string {
  return values.find((value): value is string => typeof value === 'string' && value !== '') ?? 'No reason was given.';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
