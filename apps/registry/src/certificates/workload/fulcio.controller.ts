import type { IncomingHttpHeaders } from 'node:http';
import { Controller, Get, Header, Headers, HttpCode, Post } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import {
  describeIssuers,
  describeSigningCert,
  describeTrustBundle,
  MAX_SIGNING_CERT_BYTES,
  parseSigningCertRequest,
} from '@margo-trust/sigstore';
import { Requires } from '../../callers/requires.ts';
import { Config } from '../../config.ts';
import { RawBody } from '../../http/body.ts';
import { type AuthorityName, CertificateReader } from '../certificate.reader.ts';
import { ExchangeToken } from './exchange-token.ts';
import { WorkloadFault } from './workload.fault.ts';

/** Fulcio v2, for Sigstore's tools and for our own: a token of a build goes in, a certificate for a day comes out. */
@ApiExcludeController()
@Controller('api/v2')
export class FulcioController {
  constructor(
    private readonly exchange: ExchangeToken,
    private readonly reader: CertificateReader,
    private readonly config: Config,
  ) {}

  @Post('signingCert')
  @Requires('workload')
  @HttpCode(200) // sigstore-go takes nothing else
  @Header('Cache-Control', 'no-store')
  async create(
    @RawBody({ mediaTypes: ['application/json'], maxBytes: MAX_SIGNING_CERT_BYTES }) body: Uint8Array,
    @Headers() headers: IncomingHttpHeaders,
  ): Promise<object> {
    const { token, key } = parseSigningCertRequest(body);
    const credential = token ?? /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1];
    if (credential === undefined) {
      throw new WorkloadFault('workload/invalid-token', 'Send an identity token, in the body or as Bearer.');
    }
    const { der, issuer } = await this.reader.load(await this.exchange.run(credential, key));
    return describeSigningCert([der, ...(await this.chainAbove(issuer))]);
  }

  @Get('trustBundle')
  @Requires('anyone')
  async trustBundle(): Promise<object> {
    const issuing = (await this.reader.authorities()).filter(({ role }) => role === 'issuing');
    return describeTrustBundle(await Promise.all(issuing.map(({ name }) => this.chainAbove(name))));
  }

  @Get('configuration')
  @Requires('anyone')
  configuration(): object {
    return describeIssuers(this.config.workloadIssuers, this.config.publicUrl);
  }

  private async chainAbove(name: AuthorityName): Promise<Uint8Array[]> {
    const issuing = await this.reader.loadAuthority(name);
    return [issuing.der, (await this.reader.loadIssuerOf(issuing)).der];
  }
}
