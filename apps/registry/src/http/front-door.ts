import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import type { Random } from '../random.ts';
import type { ConsoleFiles } from './console-files.ts';
import { HttpFault } from './http.fault.ts';
import { routeToLog } from './log-route.ts';
import type { Metrics } from './metrics.ts';
import { encodeConciseProblem, problemFor } from './problem-document.ts';
import type { ProblemFilter } from './problem.filter.ts';
import { servePublishedFiles } from './published-files.handler.ts';
import type { PublishedFiles } from './published-files.store.ts';
import { RateLimits } from './rate-limits.ts';
import { sendReply, type Reply } from './reply.ts';
import { nameRequest, requestId } from './request-id.ts';
import { isScrapiPath } from './scrapi.ts';
import { SecurityHeaders } from './security-headers.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Public paths that are asked too often for the framework. `find` returns what answers this request, or nothing when the
 * framework is to decide; `path` is without query and comes from the caller.
 */
export interface HotPaths {
  find(path: string, request: IncomingMessage): Reply | Promise<Reply> | undefined;
}

/** Several as one: the first that answers. */
export function firstOf(...several: readonly HotPaths[]): HotPaths {
  return {
    find: (path, request) => {
      for (const paths of several) {
        const reply = paths.find(path, request);
        if (reply !== undefined) return reply;
      }
      return undefined;
    },
  };
}

/** What answers for one log of its own name. */
export interface LogRooms {
  readonly hotPaths: HotPaths;
  readonly express: Handler;
}

/** The logs beside the first one. */
export interface OtherLogs {
  /** By a name that comes from the caller. */
  find(name: string): LogRooms | undefined;
  /** That holds the entry of an EntryID, 43 characters of base64url; undefined where the first log is to answer. */
  findHolder(entryId: string): Promise<LogRooms | undefined> | undefined;
}

/** What stands behind the door once the service is ready. */
export interface Rooms {
  logs: OtherLogs;
  files: PublishedFiles;
  console: ConsoleFiles;
  metrics: Metrics;
  problems: ProblemFilter;
  express: Handler;
  /** Without them the framework answers everything, byte for byte the same and slower. */
  hotPaths?: HotPaths;
}

/**
 * Everything that arrives at the port. Static reads and the log's busiest paths are answered here, in front of Express,
 * which alone would take longer than the rest of the work. Until the service is open, and again when it closes, the answer
 * is 503.
 */
export class FrontDoor {
  private rooms: Rooms | undefined;
  private readonly security: SecurityHeaders;
  private readonly limits: RateLimits;

  constructor(
    private readonly config: Config,
    private readonly random: Random,
    private readonly logger: Logger,
  ) {
    this.security = new SecurityHeaders(config.publicUrl);
    this.limits = new RateLimits(config);
  }

  open(rooms: Rooms): void {
    this.rooms = rooms;
  }

  close(): void {
    this.rooms = undefined;
  }

  readonly handle: Handler = (request, response) => {
    const begun = performance.now();
    const { rooms } = this;
    const { name, url } = routeToLog(request.url ?? '/', request.headers.host, this.config.domain);
    const log = name === undefined ? undefined : rooms?.logs.find(name);
    if (name === undefined || log !== undefined) request.url = url;
    const path = pathOf(request.url); // now: Express rewrites url below a mount
    const id = nameRequest(request, this.random);
    response.once('close', () => this.note(request, response, path, (performance.now() - begun) / 1_000));
    if (rooms === undefined) return this.turnAway(path, request, response);
    if (this.config.role === 'worker' && !isHealth(path)) {
      return this.turnAway(path, request, response, 'This process does the dated work; another one answers requests.');
    }

    const common = ['X-Request-Id', id, ...this.security.at(path)];
    const fail = (error: unknown): void => {
      setAll(common, response);
      rooms.problems.answer(error, path, request, response);
    };
    try {
      this.limits.check(path, request);
      const holder = log === undefined ? findHolder(rooms.logs, path) : undefined;
      if (holder) holder.then((found) => this.answer(rooms, found, path, request, response, common, fail)).catch(fail);
      else this.answer(rooms, log, path, request, response, common, fail);
    } catch (error) {
      fail(error);
    }
  };

  /** Throws what refuses the request before anything is awaited; `fail` gets what comes later. */
  private answer(
    rooms: Rooms,
    log: LogRooms | undefined,
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
    common: readonly string[],
    fail: (error: unknown) => void,
  ): void {
    const { hotPaths, express } = log ?? rooms;
    const reply = hotPaths?.find(path, request);
    if (reply instanceof Promise) {
      reply.then((made) => sendReply(made, request, response, common)).catch(fail);
    } else if (reply !== undefined) {
      sendReply(reply, request, response, common);
    } else {
      servePublishedFiles(rooms.files, path, request, response, common, (error) => {
        if (error !== undefined) return fail(error);
        setAll(common, response);
        if (log !== undefined || !rooms.console.serve(request, response)) express(request, response);
      });
    }
  }

  private turnAway(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
    why = 'The registry is starting or stopping.',
  ): void {
    const problem = problemFor(new HttpFault('http/not-ready', why), this.config.domain, requestId(request));
    const isCbor = isScrapiPath(path);
    response.writeHead(problem.status, {
      'X-Request-Id': requestId(request),
      'Content-Type': isCbor ? 'application/concise-problem-details+cbor' : 'application/problem+json',
      'Retry-After': '1',
      Connection: 'close',
    });
    response.end(isCbor ? encodeConciseProblem(problem) : JSON.stringify(problem));
  }

  /** Paths, not queries: a search term may be personal. Static, health and log answers are too many for the log. */
  private note(request: IncomingMessage, response: ServerResponse, path: string, seconds: number): void {
    const method = request.method ?? '';
    const status = response.statusCode;
    this.rooms?.metrics.requestAnswered(method, path, status, seconds);
    const isFrequent =
      isHealth(path) || /^\/(?:tuf|crl|ca|log)\b/.test(path) || (path.startsWith('/entries') && status < 400);
    const level = isFrequent && status < 500 ? 'debug' : 'info';
    if (!this.logger.isLevelEnabled(level)) return;
    const ms = Math.round(seconds * 1_000);
    this.logger[level]({ request: requestId(request), method, path: path.slice(0, 300), status, ms });
  }
}

/** Paths that name an entry and not its log. */
function findHolder(logs: OtherLogs, path: string): Promise<LogRooms | undefined> | undefined {
  const [, entryId] = /^(?:\/api\/v1\/log)?\/entries\/([\w-]{43})(?:\/|$)/.exec(path) ?? [];
  return entryId === undefined ? undefined : logs.findHolder(entryId);
}

function pathOf(url = ''): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}

function isHealth(path: string): boolean {
  return path === '/livez' || path === '/readyz' || path === '/metrics';
}

function setAll(headers: readonly string[], response: ServerResponse): void {
  for (let i = 0; i + 1 < headers.length; i += 2) response.setHeader(headers[i] ?? '', headers[i + 1] ?? '');
}
