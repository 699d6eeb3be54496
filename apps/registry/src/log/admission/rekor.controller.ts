import { Controller, Post, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Requires } from '../../callers/requires.ts';
import { sendReply } from '../../http/reply.ts';
import { LogReplies } from '../log-replies.ts';

/**
 * Rekor v2, for Sigstore's tools. Most requests are answered before they come here, with the same bytes (log-paths.ts). The log's files
 * are under `/api/v2` as well: see http/log-route.ts.
 */
@Requires('anyone')
@ApiExcludeController()
@Controller('api/v2/log')
export class RekorController {
  constructor(private readonly replies: LogReplies) {}

  @Post('entries')
  async create(@Req() request: Request, @Res() response: Response): Promise<void> {
    sendReply(await this.replies.registerHashedRekord(request), request, response);
  }
}
