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
 * Everything comes from this origin, nothing is inline. Swagger UI writes style attributes, so /docs may have those.
 * HSTS only behind https: on http it would be ignored, and on localhost it would lock the developer out.
 */
export function securityHeaders(publicUrl: string): Middleware {
  const strictTransportSecurity = publicUrl.startsWith('https:');
  const make = (directives: object) =>
    helmet({
      contentSecurityPolicy: { useDefaults: false, directives: directives as typeof DIRECTIVES },
      strictTransportSecurity,
      crossOriginResourcePolicy: { policy: 'cross-origin' },
      referrerPolicy: { policy: 'no-referrer' },
    });
  const strict = make(DIRECTIVES);
  const forDocs = make({ ...DIRECTIVES, styleSrc: ["'self'", "'unsafe-inline'"] });
  return (request, response, next) =>
    (request.url?.startsWith('/docs') === true ? forDocs : strict)(request, response, next);
}
