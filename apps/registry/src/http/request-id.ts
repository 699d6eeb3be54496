import type { IncomingMessage } from 'node:http';
import type { Random } from '../random.ts';

const ids = new WeakMap<IncomingMessage, string>();

/** Gives the request a name of the form `urn:uuid:…` (RFC 9562, version 4). */
export function nameRequest(request: IncomingMessage, random: Random): string {
  const bytes = random.bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, 16).toString('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  const id = `urn:uuid:${parts.join('-')}`;
  ids.set(request, id);
  return id;
}

export function requestId(request: IncomingMessage): string {
  return ids.get(request) ?? 'urn:uuid:00000000-0000-0000-0000-000000000000';
}
