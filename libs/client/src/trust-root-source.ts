import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClientFault } from './fault.ts';
import { readFileWithin } from './files.ts';
import { download } from './http.ts';

/** Where repository files come from. Nothing it gives is trusted. */
export interface TrustRootSource {
  /** The file at a path of the repository, or undefined if there is none. Faults with client/…. */
  read(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
}

export interface SourceLimits {
  /** For each file. */
  readonly timeoutSeconds: number;
  /** Ends everything that is under way. */
  readonly signal?: AbortSignal;
}

/** A repository at an `https:`, `http:` or `file:` URL, or in a directory. */
export function openTrustRootSource(source: string | URL, limits: SourceLimits): TrustRootSource {
  const url = findUrl(source);
  if (!url) return openDirectorySource(resolve(String(source)));
  if (url.protocol === 'file:') return openDirectorySource(fileURLToPath(url));
  const isPlain = url.username === '' && url.password === '' && url.search === '';
  if (!isPlain || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new ClientFault('client/unsupported-source', 'A source is an https:, http: or file: URL, or a directory.');
  }
  const base = url.pathname.endsWith('/') ? url : new URL(`${url.href}/`);
  return { read: (path, maxBytes) => download(new URL(path, base), { maxBytes, ...limits }) };
}

export function openDirectorySource(directory: string): TrustRootSource {
  return { read: (path, maxBytes) => readFileWithin(join(directory, path), maxBytes) };
}

/** One letter before the colon is a drive, not a scheme. */
function findUrl(source: string | URL): URL | undefined {
  if (source instanceof URL) return source;
  return /^[a-z][a-z0-9+.-]+:/i.test(source) && URL.canParse(source) ? new URL(source) : undefined;
}
