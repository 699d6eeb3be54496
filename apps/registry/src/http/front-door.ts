import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import type { Random } from '../random.ts';
import type { ConsoleFiles } from './console-files.ts';
import { HttpFault } from './http.fault.ts';
import type { Metrics } from './metrics.ts';
import { encodeConciseProblem, problemFor } from './problem-document.ts';
import { servePublishedFiles } from './published-files.handler.ts';
import type { PublishedFiles } from './published-files.store.ts';
import { nameRequest, requestId } from './request-id.ts';
import { isScrapiPath } from './scrapi.ts';
import { securityHeaders } from './security-headers.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** What stands behind the door once the service is ready. */
export interface Rooms {
  files: PublishedFiles;
  console: ConsoleFiles;
  metrics: Metrics;
  express: Handler;
}

/**
 * Everything that arrives at the port. Static reads are answered here, in front of Express, which alone would take longer
 * than the rest of the work. Until the service is open, and again when it closes, the answer is 503.
 */
export class FrontDoor {
  private rooms: Rooms | undefined;
  private readonly secure: ReturnType<typeof securityHeaders>;

  constructor(
    private readonly config: Config,
    private readonly random: Random,
    private readonly logger: Logger,
  ) {
    this.secure = securityHeaders(config.publicUrl);
  }

  open(rooms: Rooms): void {
    this.rooms = rooms;
  }

  close(): void {
    this.rooms = undefined;
  }

  readonly handle: Handler = (request, response) => {
    const begun = performance.now();
    nameRequest(request, response, this.random);
    const { rooms } = this;
    const path = request.url?.split('?', 1)[0]?.slice(0, 300) ?? ''; // now: Express rewrites url below a mount
    response.once('close', () => this.note(request, response, path, (performance.now() - begun) / 1_000));
    if (rooms === undefined) return this.turnAway(request, response);
    if (this.config.role === 'worker' && !isHealth(request.url)) {
      return this.turnAway(request, response, 'This process does the dated work; another one answers requests.');
    }
    servePublishedFiles(rooms.files, request, response, () =>
      this.secure(request, response, () => {
        if (!rooms.console.serve(request, response)) rooms.express(request, response);
      }),
    );
  };

  private turnAway(
    request: IncomingMessage,
    response: ServerResponse,
    why = 'The registry is starting or stopping.',
  ): void {
    const problem = problemFor(new HttpFault('http/not-ready', why), this.config.domain, requestId(request));
    const isCbor = isScrapiPath(request.url?.split('?', 1)[0] ?? '');
    response.writeHead(problem.status, {
      'Content-Type': isCbor ? 'application/concise-problem-details+cbor' : 'application/problem+json',
      'Retry-After': '1',
      Connection: 'close',
    });
    response.end(isCbor ? encodeConciseProblem(problem) : JSON.stringify(problem));
  }

  /** Paths, not queries: a search term may be personal. Static and health reads are too many for the log. */
  private note(request: IncomingMessage, response: ServerResponse, path: string, seconds: number): void {
    const method = request.method ?? '';
    const status = response.statusCode;
    this.rooms?.metrics.requestAnswered(method, path, status, seconds);
    const level = /^\/(?:tuf|crl|ca|log|livez|readyz|metrics)\b/.test(path) && status < 500 ? 'debug' : 'info';
    this.logger[level]({ request: requestId(request), method, path, status, ms: Math.round(seconds * 1_000) });
  }
}

function isHealth(url: string | undefined): boolean {
  return /^\/(?:livez|readyz|metrics)$/.test(url?.split('?', 1)[0] ?? '');
}
