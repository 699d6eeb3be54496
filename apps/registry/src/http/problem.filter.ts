import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import { Fault } from '@margo-trust/fault';
import type { Request, Response } from 'express';
import { Config } from '../config.ts';
import { AllowedMethods } from './allowed-methods.ts';
import { HttpFault } from './http.fault.ts';
import { encodeConciseProblem, isKnownFault, problemFor } from './problem-document.ts';
import { RateLimitFault } from './rate-limit.fault.ts';
import { requestId } from './request-id.ts';
import { isScrapiPath } from './scrapi.ts';

/** The one place where an error becomes a response: RFC 9457 here, RFC 9290 for SCRAPI's routes. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  constructor(
    private readonly config: Config,
    private readonly allowed: AllowedMethods,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<Request>();
    this.answer(error, request.path, request, http.getResponse<Response>());
  }

  /** For either road: the framework's, and the one in front of it. `path` without query, from the caller. */
  answer(error: unknown, path: string, request: IncomingMessage, response: ServerResponse): void {
    if (response.headersSent) {
      this.logger.error({ instance: requestId(request), err: error, note: 'failed after the answer had begun' });
      response.destroy();
      return;
    }
    const fault = this.asFault(error, path, response);
    const problem = problemFor(fault, this.config.domain, requestId(request));
    if (problem.status >= 500) this.logger.error({ instance: problem.instance, code: problem.code, err: error });
    if (problem.status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
    if (problem.retryAfterSeconds !== undefined) response.setHeader('Retry-After', String(problem.retryAfterSeconds));
    // Nobody reads the rest of such a body, so no other request can follow it.
    if (fault.code === 'http/body-too-large') response.setHeader('Connection', 'close');

    if (fault instanceof RateLimitFault) {
      for (const [name, value] of Object.entries(fault.headers)) response.setHeader(name, value);
    }
    response.setHeader('Cache-Control', 'no-store');
    response.statusCode = problem.status;
    if (isScrapiPath(path)) {
      response.setHeader('Content-Type', 'application/concise-problem-details+cbor');
      response.end(encodeConciseProblem(problem));
    } else {
      response.setHeader('Content-Type', 'application/problem+json');
      response.end(JSON.stringify(problem));
    }
  }

  private asFault(error: unknown, path: string, response: ServerResponse): Fault {
    if (isKnownFault(error)) return error;
    const status = frameworkStatus(error);
    if (status === 404) {
      const methods = this.allowed.at(path);
      if (methods.length === 0) return new HttpFault('http/not-found', 'There is nothing at this path.');
      response.setHeader('Allow', methods.join(', '));
      return new HttpFault('http/method-not-allowed', `This path answers ${methods.join(', ')}.`);
    }
    if (status !== undefined && status < 500) {
      return new HttpFault('http/malformed-request', 'The request line or a parameter could not be read.');
    }
    return new HttpFault('http/internal', 'Something broke on our side. Quote the instance when you report it.');
  }
}

/** The status that Nest or Express chose for an error of their own, such as an undecodable path. */
function frameworkStatus(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  const isExpected = error instanceof Error && 'status' in error && typeof error.status === 'number';
  return isExpected ? (error.status as number) : undefined;
}
