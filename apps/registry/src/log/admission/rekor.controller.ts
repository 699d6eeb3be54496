import { Controller, HttpCode, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { MAX_REQUEST_BYTES } from '@margo-trust/sigstore';
import { Requires } from '../../callers/requires.ts';
import { RawBody } from '../../http/body.ts';
import { RegisterHashedRekord } from './register-hashed-rekord.ts';

/** Rekor v2, for Sigstore's tools. The log's files are under `/api/v2` as well: see http/log-alias.ts. */
@Requires('anyone')
@ApiExcludeController()
@Controller('api/v2/log')
export class RekorController {
  constructor(private readonly register: RegisterHashedRekord) {}

  @Post('entries')
  @HttpCode(201)
  create(
    @RawBody({ mediaTypes: ['application/json'], maxBytes: MAX_REQUEST_BYTES }) request: Uint8Array,
  ): Promise<object> {
    return this.register.run(request);
  }
}
