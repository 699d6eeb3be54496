import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Random } from '../random.ts';

const ids = new WeakMap<IncomingMessage, string>();

/** Gives the request a name of the form `urn:uuid:…` (RFC 9562, version 4) and tells the caller. */
export function nameRequest(request: IncomingMessage, response: ServerResponse, random: Random): void {
  const bytes = random.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const id = `urn:uuid:${Buffer.from(bytes)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')}`;
  ids.set(request, id);
  response.setHeader('X-Request-Id', id);
}

export function requestId(request: IncomingMessage): string {
  return ids.get(request) ?? 'urn:uuid:00000000-0000-0000-0000-000000000000';
}
