import { Controller, Get, Param, Post, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Requires } from '../callers/requires.ts';
import { sendReply } from '../http/reply.ts';
import { LogReplies } from './log-replies.ts';

/**
 * SCRAPI (draft-ietf-scitt-scrapi-11 §2): registration of Signed Statements and resolution of receipts. Most requests are
 * answered before they come here, with the same bytes (log-paths.ts).
 */
@Requires('anyone')
@ApiExcludeController()
@Controller('entries')
export class EntriesController {
  constructor(private readonly replies: LogReplies) {}

  @Post()
  async create(@Req() request: Request, @Res() response: Response): Promise<void> {
    sendReply(await this.replies.register(request), request, response);
  }

  @Get(':entryId')
  async receipt(@Param('entryId') id: string, @Req() request: Request, @Res() response: Response): Promise<void> {
    sendReply(await this.replies.receipt(id), request, response);
  }

  @Get(':entryId/statement')
  async statement(@Param('entryId') id: string, @Req() request: Request, @Res() response: Response): Promise<void> {
    sendReply(await this.replies.statement(id), request, response);
  }

  @Get(':entryId/transparent-statement')
  async transparent(@Param('entryId') id: string, @Req() request: Request, @Res() response: Response): Promise<void> {
    sendReply(await this.replies.transparentStatement(id), request, response);
  }

  @Get(':entryId/proof')
  async proof(@Param('entryId') id: string, @Req() request: Request, @Res() response: Response): Promise<void> {
    sendReply(await this.replies.proof(id), request, response);
  }
}
