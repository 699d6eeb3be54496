import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Requires } from '../callers/requires.ts';
import { sendReply } from '../http/reply.ts';
import { LogReplies } from './log-replies.ts';

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

  @Get('log.json')
  description(@Req() request: Request, @Res() response: Response): void {
    sendReply(this.replies.description(), request, response);
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
