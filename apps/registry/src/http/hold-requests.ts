import type { IncomingMessage, Server, ServerResponse } from 'node:http';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Keeps requests that arrive before there is anybody to answer them: node drops those that nobody listens for, and their
 * callers wait for ever. Call it before the server listens. What it returns hands over, first of all what was kept.
 */
export function holdRequests(server: Server): (handle: Handler) => void {
  const early: [IncomingMessage, ServerResponse][] = [];
  const keep: Handler = (request, response) => void early.push([request, response]);
  server.on('request', keep);
  return (handle) => {
    server.off('request', keep);
    server.on('request', handle);
    for (const [request, response] of early) handle(request, response);
  };
}
