import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, relative, sep } from 'node:path';
import { isKnownToCaller } from './published-files.handler.ts';
import { fresh, IMMUTABLE, type PublishedFile } from './published-files.store.ts';

/** Paths of the API: a browser asking for them gets their answer, never the page. */
const API =
  /^\/(?:api|entries|\.well-known|tuf|crl|ca|tsa|docs|oidc)(?:\/|$)|^\/log\/|^\/(?:openapi\.json|livez|readyz|metrics)$/;

/** The console's built files, held in memory: some hundred kilobytes that change with a new release only. */
export class ConsoleFiles {
  private readonly files = new Map<string, PublishedFile>();

  /** An absent directory is an empty console: `/` is then not found. */
  constructor(directory: string) {
    if (!existsSync(directory)) return;
    for (const name of readdirSync(directory, { recursive: true }) as string[]) {
      const path = join(directory, name);
      if (!statSync(path).isFile()) continue;
      this.files.set(`/${relative(directory, path).split(sep).join('/')}`, read(path));
    }
  }

  /** Answers with a file, or with the page itself for the console's own routes; returns whether it did. */
  serve(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false;
    const path = request.url?.split('?', 1)[0] ?? '';
    const file = this.files.get(path) ?? (this.isPage(path, request) ? this.files.get('/index.html') : undefined);
    if (file === undefined) return false;
    response.setHeader('ETag', file.etag);
    response.setHeader('Cache-Control', file.cacheControl);
    if (isKnownToCaller(file.etag, request.headers['if-none-match'])) {
      response.writeHead(304).end();
      return true;
    }
    response.writeHead(200, { 'Content-Type': file.contentType, 'Content-Length': file.body.length });
    response.end(request.method === 'HEAD' ? undefined : file.body);
    return true;
  }

  private isPage(path: string, request: IncomingMessage): boolean {
    if (path === '/') return true;
    return !API.test(path) && extname(path) === '' && (request.headers.accept ?? '').includes('text/html');
  }
}

function read(path: string): PublishedFile {
  const body = readFileSync(path);
  // Vite names bundles by their hash; index.html and icons keep their names.
  const isHashed = /-[A-Za-z0-9_-]{8,}\.[a-z0-9]+$/.test(path);
  return {
    body,
    contentType: MEDIA_TYPES[extname(path)] ?? 'application/octet-stream',
    etag: `"${createHash('sha256').update(body).digest('base64url')}"`,
    cacheControl: isHashed ? IMMUTABLE : fresh(0),
  };
}

const MEDIA_TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
};
