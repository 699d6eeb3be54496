import { Controller, Get, Param, Query, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Requires } from '../../callers/requires.ts';
import { HttpFault } from '../../http/http.fault.ts';
import { sendReply } from '../../http/reply.ts';
import { LogReplies } from '../log-replies.ts';

/** The log as C2SP tlog-tiles, with what a client needs to know of it in log.json. */
@Requires('anyone')
@ApiExcludeController()
@Controller('log')
export class TilesController {
  constructor(private readonly replies: LogReplies) {}

  @Get('checkpoint')
  async checkpoint(@Req() request: Request, @Res() response: Response): Promise<void> {
    sendReply(await this.replies.checkpoint(), request, response);
  }

  @Get('checkpoint.cose')
  async signedRoot(@Req() request: Request, @Res() response: Response): Promise<void> {
    sendReply(await this.replies.signedRoot(), request, response);
  }

  @Get('consistency')
  async consistency(
    @Query() query: Record<string, unknown>,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const { from, to } = readSizes(query);
    sendReply(await this.replies.consistency(from, to), request, response);
  }

  @Get('log.json')
  async description(@Req() request: Request, @Res() response: Response): Promise<void> {
    sendReply(await this.replies.description(), request, response);
  }

  @Get('tile/*path')
  async tile(
    @Param('path') path: string | string[],
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    sendReply(await this.replies.tile(`tile/${[path].flat().join('/')}`), request, response);
  }
}

function readSizes({ from, to, ...rest }: Record<string, unknown>): { from: bigint; to: bigint | undefined } {
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw new HttpFault('http/invalid-query', `There is no parameter "${unknown.slice(0, 50)}".`);
  }
  return { from: readSize('from', from), to: to === undefined ? undefined : readSize('to', to) };
}

function readSize(name: string, value: unknown): bigint {
  if (typeof value === 'string' && /^[1-9][0-9]{0,18}$/.test(value)) return BigInt(value);
  throw new HttpFault('http/invalid-query', `"${name}" must be a tree size of 1 or more.`);
}
