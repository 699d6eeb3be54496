/** Calls that no well-behaved client makes, and what any answer to them must look like. */
import { Agent, request } from 'node:http';
import { decodeCbor, isCborMap } from '@margo-trust/cbor';
import type { Application } from 'express';
import { PROBLEMS } from '../apps/registry/src/http/problems.ts';
import { isScrapiPath } from '../apps/registry/src/http/scrapi.ts';
import type { TestRegistry } from './registry.ts';

export interface Call {
  method: string;
  /** As it goes onto the wire: nothing is tidied. */
  path: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  bytes: Buffer;
}

const agent = new Agent({ keepAlive: true, maxSockets: 16 });

export function send({ url }: TestRegistry, { method, path, headers = {}, body }: Call): Promise<Answer> {
  const { hostname, port } = new URL(url);
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const sent = request({ agent, hostname, port, method, path, headers: { ...length, ...headers } }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes: Buffer.concat(parts) }),
      );
      response.on('error', reject);
    });
    sent.on('error', reject).end(body);
  });
}

/** What one request may cost, in milliseconds of processor time. */
const CPU_LIMIT_MS = 50;

/**
 * Sends a call and says so when it costs too much: more than 50 ms of this process, the sender and all threads included. Nothing
 * else may be going on. What is too much is sent nine times more, and the least counts: the first compilation of a path and
 * collecting garbage are not the request's.
 */
export async function sendMeasured(registry: TestRegistry, call: Call): Promise<{ answer: Answer; flaw?: string }> {
  const { answer, milliseconds } = await measure(registry, call);
  let least = milliseconds;
  for (let again = 0; again < 9 && least > CPU_LIMIT_MS; again += 1) {
    least = Math.min(least, (await measure(registry, call)).milliseconds);
  }
  return least > CPU_LIMIT_MS ? { answer, flaw: `takes ${Math.round(least)} ms of CPU` } : { answer };
}

async function measure(registry: TestRegistry, call: Call): Promise<{ answer: Answer; milliseconds: number }> {
  const before = process.cpuUsage();
  const answer = await send(registry, call);
  const { user, system } = process.cpuUsage(before);
  return { answer, milliseconds: (user + system) / 1_000 };
}

/** What is wrong with `answer` as a refusal of `call`: nothing, or one sentence. */
export function flawOfRefusal(call: Call, answer: Answer): string | undefined {
  if (answer.status < 400 || answer.status > 499) return `${answer.status}: ${answer.bytes.toString().slice(0, 200)}`;
  return flawOfAnswer(call, answer);
}

/** The same for an answer that may also be a success. */
export function flawOfAnswer({ method, path }: Call, { status, headers, bytes }: Answer): string | undefined {
  const text = bytes.toString('latin1');
  if (status >= 500) return `${status}: ${text.slice(0, 200)}`;
  if (/\n\s+at |node_modules|\.ts:\d|SELECT |INSERT /.test(text) && status >= 400)
    return `tells of its inside: ${text}`;
  if (status < 400 || method === 'HEAD') return undefined;
  const isCbor = isScrapiPath(path.split('?', 1)[0] ?? '');
  const mediaType = isCbor ? 'application/concise-problem-details+cbor' : 'application/problem+json';
  if (headers['content-type'] !== mediaType) return `${status} as ${String(headers['content-type'])}: ${text}`;
  const code = isCbor ? codeInCbor(bytes) : (JSON.parse(bytes.toString()) as { code: string }).code;
  const known = Object.entries(PROBLEMS).find(([name]) => name === code)?.[1];
  return known?.status === status ? undefined : `${status} with the code ${code}`;
}

export function codeOf(path: string, { bytes }: Answer): string {
  return isScrapiPath(path) ? codeInCbor(bytes) : (JSON.parse(bytes.toString()) as { code: string }).code;
}

function codeInCbor(bytes: Uint8Array): string {
  const problem = decodeCbor(Uint8Array.from(bytes));
  const ours = isCborMap(problem) ? problem.get('https://registry.localhost/errors') : undefined;
  return ours !== undefined && isCborMap(ours) ? String(ours.get('code')) : 'none';
}

/** Every route the framework knows, documented or not, as `POST /api/v1/vendors/:id/approvals`. */
export function routesOf({ app }: TestRegistry): string[] {
  const { router } = app.getHttpAdapter().getInstance() as Application;
  return router.stack.flatMap(({ route }) =>
    route === undefined ? [] : route.stack.map(({ method }) => `${method.toUpperCase()} ${route.path}`),
  );
}

/** mulberry32: the same numbers in every run. Returns whole numbers below `limit`. */
export function seededRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * limit);
  };
}

/** A copy with one to four small damages. */
export function mutate(bytes: Uint8Array, below: (limit: number) => number): Buffer {
  let result = Buffer.from(bytes);
  for (let n = 1 + below(4); n > 0; n -= 1) {
    const at = below(result.length);
    const end = at + 1 + below(8);
    const [before, piece, after] = [result.subarray(0, at), result.subarray(at, end), result.subarray(end)];
    switch (below(6)) {
      case 0:
        result[at] = (result[at] ?? 0) ^ (1 << below(8));
        break;
      case 1:
        result[at] = [0x00, 0x01, 0x1f, 0x30, 0x7f, 0x80, 0x9f, 0xbf, 0xf6, 0xff][below(10)] ?? 0;
        break;
      case 2:
        result = Buffer.concat([before, after]);
        break;
      case 3:
        result = Buffer.concat([before, piece, piece, after]);
        break;
      case 4:
        result = Buffer.concat([before, Buffer.from([below(256), below(256)]), result.subarray(at)]);
        break;
      default:
        result = Buffer.from(result.subarray(0, at));
    }
  }
  return result.equals(bytes) ? mutate(bytes, below) : result;
}
