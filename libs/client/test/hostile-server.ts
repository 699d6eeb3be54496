import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Misbehaviour = (response: ServerResponse, request: IncomingMessage) => void;

/** A web server for a map of files, which answers some paths as it was told to. */
export class HostileServer {
  files: ReadonlyMap<string, Uint8Array> = new Map();
  readonly misbehaviours = new Map<string, Misbehaviour>();
  readonly requests: string[] = [];
  private readonly server: Server = createServer((request, response) => {
    const path = (request.url ?? '').slice(1);
    this.requests.push(path);
    const bytes = this.files.get(path);
    const misbehaviour = this.misbehaviours.get(path);
    if (misbehaviour) misbehaviour(response, request);
    else if (!bytes) response.writeHead(404).end('<!doctype html>');
    else response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this.url;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }
}

/** A byte now and then, for ever. */
export const drip: Misbehaviour = (response) => {
  response.writeHead(200);
  const timer = setInterval(() => response.write(' '), 20);
  response.on('close', () => clearInterval(timer));
};

/** As fast as it can, for ever. */
export const flood: Misbehaviour = (response) => {
  response.writeHead(200);
  const chunk = Buffer.alloc(64 * 1024, ' ');
  const pour = (): void => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once('drain', pour);
  };
  pour();
};

/** Half of what it announces. */
export const breakOff: Misbehaviour = (response) => {
  response.writeHead(200, { 'content-length': 100 });
  response.write('{"signed":', () => response.destroy());
};

export const silence: Misbehaviour = () => {};

export const redirect: Misbehaviour = (response, request) =>
  response.writeHead(302, { location: `${request.url ?? ''}?again` }).end();

export function status(code: number): Misbehaviour {
  return (response) => response.writeHead(code).end('{}');
}
