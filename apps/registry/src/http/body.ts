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

/** One mebibyte: the limit of every body unless its route says otherwise. */
export const DEFAULT_MAX_BYTES = 1_048_576;

/** The body as an object of a class of libs/wire, every member checked and none unknown. */
export const JsonBody = createParamDecorator(async (type: Type<object>, context: ExecutionContext) => {
  const request = context.switchToHttp().getRequest<IncomingMessage>();
  const bytes = await readBody(request, { mediaTypes: ['application/json'], maxBytes: DEFAULT_MAX_BYTES });
  return validate(type, parseJson(bytes, { maxBytes: DEFAULT_MAX_BYTES, maxDepth: 32 }));
});

/** The body's bytes, not looked into. */
export const RawBody = createParamDecorator((rule: BodyRule, context: ExecutionContext) =>
  readBody(context.switchToHttp().getRequest<IncomingMessage>(), rule),
);

/** A COSE message as sent. */
export const CoseBody = (maxBytes = DEFAULT_MAX_BYTES): ParameterDecorator =>
  RawBody({ mediaTypes: ['application/cose'], maxBytes });

/** Reads a body whole, refusing other media types, any content coding, and more than `maxBytes`. */
export async function readBody(request: IncomingMessage, rule: BodyRule): Promise<Uint8Array> {
  const mediaType = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (!rule.mediaTypes.includes(mediaType)) {
    throw new HttpFault('http/unsupported-media-type', `Send the body as ${rule.mediaTypes.join(' or ')}.`);
  }
  const coding = request.headers['content-encoding'];
  if (coding !== undefined && coding !== 'identity') {
    throw new HttpFault('http/unsupported-media-type', 'Send the body without content coding.');
  }
  if (Number(request.headers['content-length']) > rule.maxBytes) throw tooLarge(rule);

  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > rule.maxBytes) throw tooLarge(rule);
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof HttpFault) throw error;
    throw new HttpFault('http/body-incomplete', 'The connection ended before the body did.', { cause: error });
  }
  return Uint8Array.from(Buffer.concat(parts, size));
}

function tooLarge(rule: BodyRule): HttpFault {
  return new HttpFault('http/body-too-large', `The body may have ${rule.maxBytes} bytes at most.`);
}
