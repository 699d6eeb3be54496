import { Controller, Get, Header, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Response } from 'express';
import { encodeBase64, encodeBase64Url } from '@margo-trust/bytes';
import { encodeVerifierKey, parseTilePath, TlogFault } from '@margo-trust/tlog';
import { Requires } from '../callers/requires.ts';
import { LogFault } from './log.fault.ts';
import { ed25519Raw, LogIdentity } from './log-identity.ts';
import { LogReader } from './log.reader.ts';
import { PublishedCheckpoint } from './published-checkpoint.ts';

const IMMUTABLE = 'public, max-age=31536000, immutable';

/** The log as C2SP tlog-tiles, with what a client needs to know of it in log.json. */
@Requires('anyone')
@ApiExcludeController()
@Controller('log')
export class TilesController {
  constructor(
    private readonly reader: LogReader,
    private readonly published: PublishedCheckpoint,
    private readonly identity: LogIdentity,
  ) {}

  @Get('checkpoint')
  @Header('Content-Type', 'text/plain; charset=utf-8')
  @Header('Cache-Control', 'public, max-age=1')
  async checkpoint(@Res() response: Response): Promise<void> {
    const { note } = await this.published.load();
    response.send(Buffer.from(note));
  }

  @Get('log.json')
  @Header('Cache-Control', 'public, max-age=60')
  description(): object {
    const { origin, issuer, checkpoint, receipt, sct } = this.identity;
    return {
      origin,
      issuer,
      leafFormat: 'cose-digest',
      checkpointKey: encodeVerifierKey(origin, ed25519Raw(checkpoint.spki)),
      sctKey: encodeBase64(sct.spki),
      receiptKeys: [{ kid: encodeBase64Url(receipt.kid), spki: encodeBase64(receipt.signer.spki), issuer }],
      retention: 'Tiles of every published size are kept for ever.',
    };
  }

  @Get('tile/*path')
  @Header('Content-Type', 'application/octet-stream')
  async tile(@Param('path') path: string | string[], @Res() response: Response): Promise<void> {
    const ref = readTilePath(`tile/${[path].flat().join('/')}`);
    const bytes =
      'bundle' in ref ? await this.reader.findBundle(ref.index, ref.width) : await this.reader.findTile(ref);
    if (!bytes) throw noSuchTile();
    response.set('Cache-Control', IMMUTABLE).send(Buffer.from(bytes));
  }
}

function readTilePath(path: string): ReturnType<typeof parseTilePath> {
  try {
    return parseTilePath(path);
  } catch (error) {
    if (error instanceof TlogFault) throw noSuchTile();
    throw error;
  }
}

function noSuchTile(): LogFault {
  return new LogFault('log/no-such-tile', 'The log has no such tile.');
}
