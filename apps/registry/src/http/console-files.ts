import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, relative, sep } from 'node:path';
import { constants, gzipSync } from 'node:zlib';
import { isKnownToCaller, tagOf } from './reply.ts';
import { fresh, IMMUTABLE } from './published-files.store.ts';

/** Paths of the API: a browser asking for them gets their answer, never the page. */
const API =
  /^\/(?:api|entries|\.well-known|tuf|crl|ca|tsa|docs|oidc)(?:\/|$)|^\/log\/|^\/(?:openapi\.json|livez|readyz|metrics)$/;

/** Addresses at which the console has something to show (apps/console/src/router.ts). */
const PAGES = /^\/(?:log|entry\/(?:\d{1,18}|[\w-]{43})\/?|vendor\/[0-9a-zA-Z]{26}\/?)?$/;

/** A built file as it is sent: plain, and compressed where that makes it shorter. Each coding has a tag of its own. */
interface Asset {
  contentType: string;
  cacheControl: string;
  plain: Coded;
  gzip: Coded | undefined;
}

interface Coded {
  body: Uint8Array;
  etag: string;
}

/** The console's built files, held in memory: some hundred kilobytes that change with a new release only. */
export class ConsoleFiles {
  private readonly files = new Map<string, Asset>();

  /** Reads and compresses everything once. An absent directory is an empty console: `/` is then not found. */
  constructor(directory: string) {
    if (!existsSync(directory)) return;
    for (const name of readdirSync(directory, { recursive: true }) as string[]) {
      const path = join(directory, name);
      if (!statSync(path).isFile()) continue;
      this.files.set(`/${relative(directory, path).split(sep).join('/')}`, readAsset(path));
    }
  }

  /**
   * Answers with a file, or with the page for the console's own routes; a browser that asks for any other path gets the page
   * with 404. Returns whether it answered.
   */
  serve(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false;
    const path = request.url?.split('?', 1)[0] ?? '';
    const file = this.files.get(path);
    if (file !== undefined) return send(file, request, response);
    const page = this.files.get('/index.html');
    const isWanted = path === '/' || (!API.test(path) && (request.headers.accept ?? '').includes('text/html'));
    if (page === undefined || !isWanted) return false;
    return send(page, request, response, PAGES.test(path) ? 200 : 404);
  }
}

function send(asset: Asset, request: IncomingMessage, response: ServerResponse, status: 200 | 404 = 200): true {
  const { contentType, cacheControl, plain, gzip } = asset;
  const isCoded = gzip !== undefined && acceptsGzip(request.headers['accept-encoding']);
  const { body, etag } = isCoded ? gzip : plain;
  response.setHeader('Cache-Control', cacheControl);
  if (gzip !== undefined) response.setHeader('Vary', 'Accept-Encoding');
  if (status === 200) {
    response.setHeader('ETag', etag);
    if (isKnownToCaller(etag, request.headers['if-none-match'])) {
      response.writeHead(304).end();
      return true;
    }
  }
  if (isCoded) response.setHeader('Content-Encoding', 'gzip');
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': body.length });
  response.end(request.method === 'HEAD' ? undefined : body);
  return true;
}

/** Whether gzip is named, by itself or by `*`, with a weight above zero (RFC 9110 §12.5.3). */
function acceptsGzip(acceptEncoding = ''): boolean {
  const weights = new Map<string, number>();
  for (const item of acceptEncoding.toLowerCase().split(',')) {
    const [, coding, weight] = /^\s*([^\s;]+)\s*(?:;\s*q=([\d.]+))?\s*$/.exec(item) ?? [];
    if (coding !== undefined) weights.set(coding, Number(weight ?? 1));
  }
  return (weights.get('gzip') ?? weights.get('*') ?? 0) > 0;
}

function readAsset(path: string): Asset {
  const body = readFileSync(path);
  const contentType = MEDIA_TYPES[extname(path)] ?? 'application/octet-stream';
  const gzipped = IS_TEXT.test(contentType) ? gzipSync(body, { level: constants.Z_BEST_COMPRESSION }) : body;
  // Vite names bundles by their hash; index.html and icons keep their names.
  const isHashed = /-[A-Za-z0-9_-]{8,}\.[a-z0-9]+$/.test(path);
  return {
    contentType,
    cacheControl: isHashed ? IMMUTABLE : fresh(0),
    plain: tag(body),
    gzip: gzipped.length < body.length ? tag(gzipped) : undefined,
  };
}

function tag(body: Uint8Array): Coded {
  return { body, etag: tagOf(body) };
}

const IS_TEXT = /^text\/|[/+](?:xml|json)\b/;

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
