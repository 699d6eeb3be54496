import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PublishedFile, PublishedFiles } from './published-files.store.ts';

/** Where published files live. The log's files are made on read, but are as public as these. */
const PREFIXES = ['/tuf/', '/crl/', '/ca/'] as const;

/**
 * Answers reads of published files in front of the framework, which would take longer than the rest of the work.
 * `fallThrough` gets what is not for it: other paths, other methods, and files that do not exist.
 */
export function servePublishedFiles(
  files: PublishedFiles,
  request: IncomingMessage,
  response: ServerResponse,
  fallThrough: (error?: unknown) => void,
): void {
  const path = request.url?.split('?', 1)[0] ?? '';
  const isOpen = path.startsWith('/log/') || PREFIXES.some((prefix) => path.startsWith(prefix));
  if (!isOpen) return fallThrough();
  if (request.method === 'OPTIONS') return answerPreflight(response);
  // Errors under these paths are for browsers of other origins as well.
  response.setHeader('Access-Control-Allow-Origin', '*');
  response.setHeader('Access-Control-Expose-Headers', 'ETag, Retry-After, X-Request-Id');
  const isFile = !path.startsWith('/log/') && (request.method === 'GET' || request.method === 'HEAD');
  if (!isFile) return fallThrough();
  files.find(path).then((file) => (file === undefined ? fallThrough() : send(file, request, response)), fallThrough);
}

function send(file: PublishedFile, request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('ETag', file.etag);
  response.setHeader('Cache-Control', file.cacheControl);
  response.setHeader('X-Content-Type-Options', 'nosniff');
  if (isKnownToCaller(file.etag, request.headers['if-none-match'])) {
    response.writeHead(304).end();
    return;
  }
  response.writeHead(200, { 'Content-Type': file.contentType, 'Content-Length': file.body.length });
  response.end(request.method === 'HEAD' ? undefined : file.body);
}

/** If-None-Match compares weakly (RFC 9110 §13.1.2): a cache in between may have marked our tag weak. */
export function isKnownToCaller(etag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}

function answerPreflight(response: ServerResponse): void {
  response.writeHead(204, {
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Methods': 'GET, HEAD',
    'Access-Control-Allow-Headers': 'If-None-Match',
    'Access-Control-Max-Age': '86400',
  });
  response.end();
}
