import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Requires } from '../callers/requires.ts';
import { sendReply } from '../http/reply.ts';
import { LogReplies } from './log-replies.ts';

/** SCRAPI (draft-ietf-scitt-scrapi-11 §2.1): the keys that receipts and the registry's own statements verify with. */
@Requires('anyone')
@ApiExcludeController()
@Controller('.well-known/scitt-keys')
export class ScittKeysController {
  constructor(private readonly replies: LogReplies) {}

  @Get()
  async all(@Req() request: Request, @Res() response: Response): Promise<void> {
    sendReply(await this.replies.keys(), request, response);
  }

  @Get(':kid')
  async one(@Param('kid') kid: string, @Req() request: Request, @Res() response: Response): Promise<void> {
    sendReply(await this.replies.key(kid), request, response);
  }
}
