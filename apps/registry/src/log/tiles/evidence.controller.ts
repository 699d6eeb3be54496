import { once } from 'node:events';
import { Controller, Get, Header, Headers, Param, Query, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Response } from 'express';
import { AuditorFault, encodeSeals, parseEvidencePath, type Seal } from '@margo-trust/auditor';
import { encodeBase64 } from '@margo-trust/bytes';
import { Requires } from '../../callers/requires.ts';
import { HttpFault } from '../../http/http.fault.ts';
import { EvidenceReader } from './evidence.reader.ts';
import { LogFault } from '../log.fault.ts';
import { LogIdentity } from '../log-identity.ts';
import { WriteEvidence } from './write-evidence.ts';

/** Statements may be erased, so a bundle is fresh for a minute only; its entity tag tells whether it still stands. */
const BRIEF = 'public, max-age=60';
const SEALS = { default: 1_000, max: 10_000 };
const LARGEST = (1n << 63n) - 1n;

/** What an auditor needs beside the tiles: the statements themselves, and every head there was. */
@Requires('anyone')
@ApiExcludeController()
@Controller('log')
export class EvidenceController {
  constructor(
    private readonly evidence: WriteEvidence,
    private readonly reader: EvidenceReader,
    private readonly identity: LogIdentity,
  ) {}

  @Get('evidence/*path')
  @Header('Cache-Control', BRIEF)
  async bundle(
    @Param('path') path: string | string[],
    @Headers('if-none-match') known: string | undefined,
    @Res() response: Response,
  ): Promise<void> {
    const { index, width } = readPath(`evidence/${[path].flat().join('/')}`);
    const { etag, pieces } = await this.evidence.run(index, width);
    response.set('ETag', etag);
    if (known === etag) return void response.status(304).end();
    response.type('application/cbor');
    if (response.req.method === 'HEAD') return void response.end();
    for await (const piece of pieces()) {
      if (!response.write(piece)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
      if (response.destroyed) return;
    }
    response.end();
  }

  @Get('seals')
  @Header('Cache-Control', 'public, max-age=1')
  @Header('Vary', 'Accept')
  async seals(
    @Query() query: Record<string, unknown>,
    @Headers('accept') accept: string | undefined,
    @Res() response: Response,
  ): Promise<void> {
    const { from, limit } = readQuery(query);
    const seals = from > LARGEST ? [] : await this.reader.seals(from - 1n, LARGEST, limit);
    const { origin } = this.identity;
    if (accept?.includes('application/cbor')) {
      response.type('application/cbor').send(Buffer.from(encodeSeals(origin, seals)));
    } else {
      response.json({ type: 'margo.log-seals.v1', origin, seals: seals.map(sealJson) });
    }
  }
}

function sealJson({ size, root, committedAt }: Seal): object {
  return { size: size.toString(), root: encodeBase64(root), committedAt: committedAt.toISOString() };
}

function readQuery({ from = '1', limit = String(SEALS.default), ...rest }: Record<string, unknown>): {
  from: bigint;
  limit: number;
} {
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw new HttpFault('http/invalid-query', `There is no parameter "${unknown.slice(0, 50)}".`);
  }
  if (typeof from !== 'string' || !/^[1-9][0-9]{0,19}$/.test(from)) {
    throw new HttpFault('http/invalid-query', '"from" must be a tree size of 1 or more.');
  }
  if (typeof limit !== 'string' || !/^[1-9][0-9]{0,4}$/.test(limit) || Number(limit) > SEALS.max) {
    throw new HttpFault('http/invalid-query', `"limit" must be a number from 1 to ${SEALS.max}.`);
  }
  return { from: BigInt(from), limit: Number(limit) };
}

function readPath(path: string): { index: bigint; width: number } {
  try {
    return parseEvidencePath(path);
  } catch (error) {
    if (error instanceof AuditorFault) throw new LogFault('log/no-such-tile', 'The log has no such evidence.');
    throw error;
  }
}
