import type { IncomingMessage } from 'node:http';
import { parseJson } from '@margo-trust/bytes';
import { createParamDecorator, type ExecutionContext, type Type } from '@nestjs/common';
import { HttpFault } from './http.fault.ts';
import { validate } from './validate.ts';

export interface BodyRule {
  /** Without parameters, lower case. */
  mediaTypes: readonly string[];
  maxBytes: number;
}

/** One mebibyte: the limit of a statement, and of every body that is not JSON unless its route says otherwise. */
export const DEFAULT_MAX_BYTES = 1_048_576;

/** Of JSON that is checked member by member: more would keep the process from its other callers for too long. */
export const JSON_MAX_BYTES = 262_144;

/** The body as an object of a class of libs/wire, every member checked and none unknown. */
export const JsonBody = createParamDecorator(async (type: Type<object>, context: ExecutionContext) => {
  const request = context.switchToHttp().getRequest<IncomingMessage>();
  const bytes = await readBody(request, { mediaTypes: ['application/json'], maxBytes: JSON_MAX_BYTES });
  return validate(type, parseJson(bytes, { maxBytes: JSON_MAX_BYTES, maxDepth: 32 }));
});

/** The body's bytes, not looked into. */
export const RawBody = createParamDecorator((rule: BodyRule, context: ExecutionContext) =>
  readBody(context.switchToHttp().getRequest<IncomingMessage>(), rule),
);

/** Reads a body whole, refusing other media types, any content coding, and more than `maxBytes`. */
export async function readBody(request: IncomingMessage, rule: BodyRule): Promise<Uint8Array> {
  if (!rule.mediaTypes.includes(mediaTypeOf(request))) {
    throw new HttpFault('http/unsupported-media-type', `Send the body as ${rule.mediaTypes.join(' or ')}.`);
  }
  const coding = request.headers['content-encoding'];
  if (coding !== undefined && coding !== 'identity') {
    throw new HttpFault('http/unsupported-media-type', 'Send the body without content coding.');
  }
  if (Number(request.headers['content-length']) > rule.maxBytes) throw tooLarge(rule);

  return collect(request, rule);
}

/** Of the body, without parameters and in lower case; empty where none is named. */
export function mediaTypeOf(request: IncomingMessage): string {
  return request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
}

/** By events: iterating over the stream would cost as much as checking a signature. */
function collect(request: IncomingMessage, rule: BodyRule): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const close = (cause?: Error): void => {
      if (request.readableEnded) return;
      reject(new HttpFault('http/body-incomplete', 'The connection ended before the body did.', { cause }));
    };
    if (request.destroyed) return close();
    request.on('data', (part: Buffer) => {
      size += part.length;
      if (size <= rule.maxBytes) return void parts.push(part);
      // Read no further; whoever answers closes the connection, since the rest of the body is still on it.
      request.pause();
      reject(tooLarge(rule));
    });
    request.once('end', () => resolve(join(parts, size)));
    request.once('error', close);
    request.once('close', close);
  });
}

/** Memory of its own: what node reads into is shared with other requests. */
function join(parts: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function tooLarge(rule: BodyRule): HttpFault {
  return new HttpFault('http/body-too-large', `The body may have ${rule.maxBytes} bytes at most.`);
}
