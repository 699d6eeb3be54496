import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PublishedFiles } from './published-files.store.ts';
import { makeReply, sendReply } from './reply.ts';
import { isFilePath } from './security-headers.ts';

/**
 * Answers reads of published files in front of the framework, which would take longer than the rest of the work.
 * `fallThrough` gets what is not for it: other paths, other methods, and files that do not exist.
 */
export function servePublishedFiles(
  files: PublishedFiles,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  common: readonly string[],
  fallThrough: (error?: unknown) => void,
): void {
  if (!isFilePath(path)) return fallThrough();
  if (request.method === 'OPTIONS') return answerPreflight(response, common);
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (!isRead || path.startsWith('/log/')) return fallThrough();
  files.find(path).then((file) => {
    if (file === undefined) return fallThrough();
    const { contentType, cacheControl, etag } = file;
    sendReply(makeReply(contentType, file.body, { cacheControl, etag }), request, response, common);
  }, fallThrough);
}

/** What a browser asks before it lets a page of another origin read a file. */
function answerPreflight(response: ServerResponse, common: readonly string[]): void {
  response.writeHead(204, [
    ...common,
    ...['Access-Control-Allow-Methods', 'GET, HEAD'],
    ...['Access-Control-Allow-Headers', 'If-None-Match'],
    ...['Access-Control-Max-Age', '86400'],
  ]);
  response.end();
}
