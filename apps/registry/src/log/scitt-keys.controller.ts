import { Controller, Get, Header, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { Response } from 'express';
import { encodeBase64Url } from '@margo-trust/bytes';
import { encodeCbor } from '@margo-trust/cbor';
import { encodeCoseKey } from '@margo-trust/cose';
import { parsePublicKey } from '@margo-trust/crypto';
import { Requires } from '../callers/requires.ts';
import { LogFault } from './log.fault.ts';
import { LogIdentity, type NamedSigner } from './log-identity.ts';

/** SCRAPI (draft-ietf-scitt-scrapi-11 §2.1): the keys that receipts and the registry's own statements verify with. */
@Requires('anyone')
@ApiExcludeController()
@Controller('.well-known/scitt-keys')
export class ScittKeysController {
  constructor(private readonly identity: LogIdentity) {}

  @Get()
  @Header('Content-Type', 'application/cbor')
  @Header('Cache-Control', 'public, max-age=60')
  all(@Res() response: Response): void {
    response.send(Buffer.from(encodeCbor(this.keys().map(toCoseKey))));
  }

  /** A kid is a thumbprint, never URI-safe text, so base64url is its only spelling here. */
  @Get(':kid')
  @Header('Content-Type', 'application/cbor')
  one(@Param('kid') kid: string, @Res() response: Response): void {
    const key = this.keys().find((candidate) => encodeBase64Url(candidate.kid) === kid);
    if (!key) throw new LogFault('log/no-such-key', 'No such key');
    response.send(Buffer.from(encodeCbor(toCoseKey(key))));
  }

  private keys(): NamedSigner[] {
    return [this.identity.receipt, this.identity.record];
  }
}

function toCoseKey({ signer, kid }: NamedSigner) {
  return encodeCoseKey(parsePublicKey(signer.spki), kid);
}
