import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';

type Middleware = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

const SELF = ["'self'"];
const DIRECTIVES = {
  defaultSrc: SELF,
  baseUri: ["'none'"],
  connectSrc: SELF,
  fontSrc: SELF,
  formAction: SELF,
  frameAncestors: ["'none'"],
  imgSrc: ["'self'", 'data:'],
  objectSrc: ["'none'"],
  scriptSrc: SELF,
  scriptSrcAttr: ["'none'"],
  styleSrc: SELF,
};

/**
 * What browsers are told with every answer, as one list of names and values. Everything comes from this origin, nothing is
 * inline; Swagger UI writes style attributes, so /docs may have those. HSTS only behind https: on http it would be ignored,
 * and on localhost it would lock the developer out.
 *
 * Files that anybody may fetch are no pages: a browser must not guess that they are, and may read them from any origin.
 */
export class SecurityHeaders {
  private readonly strict: readonly string[];
  private readonly forDocs: readonly string[];
  private readonly forFiles: readonly string[];

  constructor(publicUrl: string) {
    const strictTransportSecurity = publicUrl.startsWith('https:');
    const list = (directives: object): string[] =>
      headersOf(
        helmet({
          contentSecurityPolicy: { useDefaults: false, directives: directives as typeof DIRECTIVES },
          strictTransportSecurity,
          crossOriginResourcePolicy: { policy: 'cross-origin' },
          referrerPolicy: { policy: 'no-referrer' },
        }),
      );
    this.strict = list(DIRECTIVES);
    this.forDocs = list({ ...DIRECTIVES, styleSrc: ["'self'", "'unsafe-inline'"] });
    const kept = ['Strict-Transport-Security', 'X-Content-Type-Options'];
    this.forFiles = [
      ...this.strict.filter((_, i, all) => kept.includes(all[i - (i % 2)] ?? '')),
      ...['Access-Control-Allow-Origin', '*'],
      ...['Access-Control-Expose-Headers', 'ETag, Retry-After, X-Request-Id'],
    ];
  }

  /** `path` without query, from the caller. */
  at(path: string): readonly string[] {
    if (isFilePath(path)) return this.forFiles;
    return path.startsWith('/docs') ? this.forDocs : this.strict;
  }
}

/** Where published files live. The log's files are made on read, but are as public as these. */
export function isFilePath(path: string): boolean {
  return /^\/(?:tuf|crl|ca|log|revocations)\//.test(path);
}

/** Middleware that does nothing but set headers, asked once what they are. */
function headersOf(middleware: Middleware): string[] {
  const headers: string[] = [];
  const recorder = {
    setHeader: (name: string, value: string) => headers.push(name, value),
    removeHeader: () => undefined,
  };
  middleware({} as IncomingMessage, recorder as unknown as ServerResponse, (error) => {
    if (error !== undefined) throw new Error('The security headers could not be made.', { cause: error });
  });
  return headers;
}
