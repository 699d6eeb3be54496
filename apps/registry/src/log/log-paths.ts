import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import type { HotPaths } from '../http/front-door.ts';
import type { Reply } from '../http/reply.ts';
import { LogReplies } from './log-replies.ts';

/**
 * The log's busiest paths, answered in front of the framework. Only the plain spelling of a path is taken, and only what
 * needs nobody's name: everything else (other methods, encoded paths, callers with a token) the framework judges as ever.
 */
@Injectable()
export class LogPaths implements HotPaths {
  constructor(private readonly replies: LogReplies) {}

  find(path: string, request: IncomingMessage): Reply | Promise<Reply> | undefined {
    if (request.headers.authorization !== undefined) return undefined;
    if (request.method === 'POST') return this.findDoor(path, request);
    if (request.method !== 'GET' && request.method !== 'HEAD') return undefined;
    if (path.startsWith('/log/')) return this.findFile(path);
    if (path.startsWith('/entries/')) return this.findEntry(path);
    return path.startsWith(KEYS) ? this.findKey(path) : undefined;
  }

  private findDoor(path: string, request: IncomingMessage): Promise<Reply> | undefined {
    if (path === '/entries') return this.replies.register(request);
    return path === '/api/v2/log/entries' ? this.replies.registerHashedRekord(request) : undefined;
  }

  private findFile(path: string): Reply | Promise<Reply> | undefined {
    if (path === '/log/checkpoint') return this.replies.checkpoint();
    if (path === '/log/checkpoint.cose') return this.replies.signedRoot();
    if (path === '/log/log.json') return this.replies.description();
    return PLAIN_TILE.test(path) ? this.replies.tile(path.slice('/log/'.length)) : undefined;
  }

  private findEntry(path: string): Promise<Reply> | undefined {
    const [, entryId, part] = PLAIN_ENTRY.exec(path) ?? [];
    if (entryId === undefined) return undefined;
    switch (part) {
      case undefined:
        return this.replies.receipt(entryId);
      case 'statement':
        return this.replies.statement(entryId);
      case 'transparent-statement':
        return this.replies.transparentStatement(entryId);
      default:
        return this.replies.proof(entryId);
    }
  }

  private findKey(path: string): Promise<Reply> | undefined {
    if (path === KEYS) return this.replies.keys();
    const [, kid] = PLAIN_KEY.exec(path) ?? [];
    return kid === undefined ? undefined : this.replies.key(kid);
  }
}

const KEYS = '/.well-known/scitt-keys';
const PLAIN_ENTRY = /^\/entries\/([\w-]{43})(?:\/(statement|transparent-statement|proof))?$/;
const PLAIN_TILE = /^\/log\/tile\/[\w./]{1,60}\w$/;
const PLAIN_KEY = /^\/\.well-known\/scitt-keys\/([\w-]{43})$/;
