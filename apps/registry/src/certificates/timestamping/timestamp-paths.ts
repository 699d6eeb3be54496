import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import type { HotPaths } from '../../http/front-door.ts';
import type { Reply } from '../../http/reply.ts';
import { TimestampReplies } from './timestamp-replies.ts';

/** Stamps are asked for once a signature: their paths are answered in front of the framework, in their plain spelling only. */
@Injectable()
export class TimestampPaths implements HotPaths {
  constructor(private readonly replies: TimestampReplies) {}

  find(path: string, request: IncomingMessage): Reply | Promise<Reply> | undefined {
    if (request.method !== 'POST' || request.headers.authorization !== undefined) return undefined;
    if (path === '/tsa') return this.replies.stamp(request);
    return path === '/api/v1/timestamp' ? this.replies.stampForSigstore(request) : undefined;
  }
}
