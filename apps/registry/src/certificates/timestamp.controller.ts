import { Controller, Header, Post, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Requires } from '../callers/requires.ts';
import { RawBody } from '../http/body.ts';
import { Endpoint } from '../http/endpoint.ts';
import { IssueTimestamp } from './issue-timestamp.ts';

/** A query has 70 to 120 bytes as a rule. */
const MAX_QUERY_BYTES = 4_096;

/** Time-stamps over HTTP (RFC 3161 §3.4). A rejection is a reply as well: 200, and the reply says why. */
@ApiTags('time-stamps')
@Controller('tsa')
export class TimestampController {
  constructor(private readonly issue: IssueTimestamp) {}

  @Post()
  @Requires('anyone')
  @Header('Content-Type', 'application/timestamp-reply')
  @Header('Cache-Control', 'no-store')
  @Endpoint({
    summary: 'Time-stamp a digest (RFC 3161)',
    accepts: 'application/timestamp-query',
    answers: 'application/timestamp-reply',
    refuses: ['http/body-too-large', 'http/unsupported-media-type'],
  })
  async create(
    @RawBody({ mediaTypes: ['application/timestamp-query'], maxBytes: MAX_QUERY_BYTES }) query: Uint8Array,
    @Res() response: Response,
  ): Promise<void> {
    response.send(Buffer.from(await this.issue.run(query)));
  }
}
