import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** A whole answer, made once and sent any number of times, by whichever road its request came. */
export interface Reply {
  readonly status: 200 | 201;
  readonly body: Uint8Array;
  /** Strong: it changes when a byte does. */
  readonly etag?: string;
  /** Name, value, name, value …, as `writeHead` takes them; content type and length are among them. */
  readonly headers: readonly string[];
}

export interface ReplyOptions {
  readonly status?: 200 | 201;
  readonly cacheControl?: string;
  readonly location?: string;
  /** Lets callers ask "unless it is still this one". Costs a SHA-256 of the body unless a tag is given. */
  readonly etag?: string | true;
}

export function makeReply(contentType: string, body: Uint8Array, options: ReplyOptions = {}): Reply {
  const { status = 200, cacheControl, location } = options;
  const etag = options.etag === true ? tagOf(body) : options.etag;
  return {
    status,
    body,
    ...(etag !== undefined && { etag }),
    headers: [
      ...['Content-Type', contentType, 'Content-Length', String(body.length)],
      ...(etag === undefined ? [] : ['ETag', etag]),
      ...(cacheControl === undefined ? [] : ['Cache-Control', cacheControl]),
      ...(location === undefined ? [] : ['Location', location]),
    ],
  };
}

/**
 * Sends a reply. `common` are the headers of every answer, for whoever has not put them on `response` already: one list
 * written at once costs half of what setting them one by one does.
 */
export function sendReply(
  reply: Reply,
  request: IncomingMessage,
  response: ServerResponse,
  common: readonly string[] = [],
): void {
  const { status, body, etag, headers } = reply;
  if (etag !== undefined && isKnownToCaller(etag, request.headers['if-none-match'])) {
    response.writeHead(304, [...common, ...headersOfUnchanged(headers)]).end();
    return;
  }
  response.writeHead(status, common.length === 0 ? [...headers] : [...common, ...headers]);
  if (request.method === 'HEAD') response.end();
  else response.end(body);
}

/** The strong entity tag of some bytes. */
export function tagOf(body: Uint8Array): string {
  return `"${createHash('sha256').update(body).digest('base64url')}"`;
}

/** If-None-Match compares weakly (RFC 9110 §13.1.2): a cache in between may have marked our tag weak. */
export function isKnownToCaller(etag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}

/** What a 304 repeats (RFC 9110 §15.4.5): everything but what describes the body that is not sent. */
function headersOfUnchanged(headers: readonly string[]): string[] {
  return headers.filter((_, i) => !/^Content-/.test(headers[i - (i % 2)] ?? ''));
}
