import { Controller, Get, Post, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { Requires } from '../../callers/requires.ts';
import { Endpoint } from '../../http/endpoint.ts';
import { sendReply } from '../../http/reply.ts';
import { TimestampReplies } from './timestamp-replies.ts';

/** Time-stamps over HTTP (RFC 3161 §3.4), and at the paths where Sigstore's clients look for them. */
@ApiTags('time-stamps')
@Controller()
export class TimestampController {
  constructor(private readonly replies: TimestampReplies) {}

  @Post('tsa')
  @Requires('anyone')
  @Endpoint({
    summary: 'Time-stamp a digest (RFC 3161)',
    accepts: 'application/timestamp-query',
    answers: 'application/timestamp-reply',
    refuses: ['http/body-too-large', 'http/unsupported-media-type'],
  })
  async create(@Req() request: Request, @Res() response: Response): Promise<void> {
    sendReply(await this.replies.stamp(request), request, response);
  }

  @Post('api/v1/timestamp')
  @Requires('anyone')
  @Endpoint({
    summary: 'Time-stamp a digest, for Sigstore clients: the query in DER or JSON',
    accepts: 'application/timestamp-query',
    answers: 'application/timestamp-reply',
    refuses: ['http/body-too-large', 'http/unsupported-media-type', 'sigstore/bad-request'],
  })
  async createForSigstore(@Req() request: Request, @Res() response: Response): Promise<void> {
    sendReply(await this.replies.stampForSigstore(request), request, response);
  }

  @Get('api/v1/timestamp/certchain')
  @Requires('anyone')
  @Endpoint({
    summary: 'Certificates of the time-stamping authority, its own first',
    answers: 'application/pem-certificate-chain',
  })
  async chain(@Req() request: Request, @Res() response: Response): Promise<void> {
    sendReply(await this.replies.chain(), request, response);
  }
}
