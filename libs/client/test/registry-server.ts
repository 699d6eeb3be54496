/** The doors of a registry that a signer and a device use, in front of a {@link World}: real bytes, real signatures. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { makeCas, type World } from '@margo-trust/testkit';
import { parseStatement } from '@margo-trust/statement';
import { draftTimestampToken, encodeTimestampResponse, parseTimestampRequest } from '@margo-trust/timestamp';
import {
  metadataPath,
  parseSnapshot,
  parseTargets,
  parseTimestamp,
  targetPath,
  type TufFileSet,
} from '@margo-trust/tuf';

export interface RegistryServer {
  readonly url: string;
  /** Statements registered, in order. */
  readonly registered: Uint8Array[];
  /** What `/tuf` serves. */
  publish(set: TufFileSet): void;
  /** Answers requests for this method and path instead of the registry: `answers.set('GET /api/v1/me', …)`. */
  readonly answers: Map<string, Answer>;
  close(): Promise<void>;
}

export type Answer = (
  body: Buffer,
  request: IncomingMessage,
) => { status?: number; type?: string; body: string | Buffer; headers?: Record<string, string> };

export async function serveWorld(world: World): Promise<RegistryServer> {
  const registered: Uint8Array[] = [];
  const files = new Map<string, Uint8Array>();
  const answers = new Map<string, Answer>();
  const { tsa } = makeCas();
  let serial = 0n;

  const answer = (request: IncomingMessage, body: Buffer): ReturnType<Answer> => {
    const path = request.url?.split('?', 1)[0] ?? '';
    const planted = answers.get(`${request.method} ${path}`);
    if (planted) return planted(body, request);
    if (request.method === 'POST' && path === '/entries') {
      const logged = parseStatement(world.log(new Uint8Array(body)));
      registered.push(logged.bytes);
      const headers = { location: `/entries/${logged.entryId}` };
      return { status: 201, type: 'application/cose', body: Buffer.from(logged.receipts[0]!), headers };
    }
    if (request.method === 'POST' && path === '/tsa') {
      const asked = parseTimestampRequest(new Uint8Array(body));
      const draft = draftTimestampToken({
        ...{ hash: asked.hash, imprint: asked.imprint, policy: '1.3.6.1.4.1.57264.2', serial: ++serial },
        ...{ genTime: world.now, tsaCertificate: tsa.certificate, includeCertificate: asked.certReq },
        ...(asked.nonce !== undefined && { nonce: asked.nonce }),
      });
      const token = draft.finish(tsa.key.sign(draft.toBeSigned, draft.algorithm));
      return { type: 'application/timestamp-reply', body: Buffer.from(encodeTimestampResponse({ token })) };
    }
    const file = files.get(path);
    return file
      ? { type: 'application/json', body: Buffer.from(file) }
      : problem(404, 'http/not-found', 'Nothing here.');
  };

  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => send(response, answer(request, Buffer.concat(parts))));
  });
  return {
    url: await listen(server),
    registered,
    answers,
    publish: (set) => {
      files.clear();
      for (const [path, bytes] of pathsOf(set)) files.set(`/tuf/${path}`, bytes);
    },
    close: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()),
  };
}

export function problem(status: number, code: string, detail: string, more: object = {}): ReturnType<Answer> {
  const body = { type: `https://registry.example/errors/${code}`, title: 'Refused', status, detail, code, ...more };
  return { status, type: 'application/problem+json', body: JSON.stringify(body) };
}

/** A repository as it lies on a disk or behind a web server. */
export function* pathsOf(set: TufFileSet): Generator<[string, Uint8Array]> {
  yield [metadataPath('root', 1), set.initialRoot];
  yield [metadataPath('timestamp', 0), set.timestamp];
  const { version } = parseTimestamp(set.timestamp).signed.meta['snapshot.json'];
  yield [metadataPath('snapshot', version), set.snapshot];
  const { meta } = parseSnapshot(set.snapshot).signed;
  for (const [role, bytes] of Object.entries({ targets: set.targets, ...set.delegated })) {
    yield [metadataPath(role, meta[`${role}.json`]!.version), bytes];
    for (const [name, file] of Object.entries(parseTargets(bytes).signed.targets)) {
      const content = set.files[name];
      if (content) yield [targetPath(name, file), content];
    }
  }
}

function send(
  response: ServerResponse,
  { status = 200, type = 'application/json', body, headers }: ReturnType<Answer>,
): void {
  response.writeHead(status, { 'content-type': type, ...headers });
  response.end(body);
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  });
}
