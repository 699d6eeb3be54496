import { BlockedKeyPage, Certificate, CertificatePage, CertificateRequest } from '@margo-trust/wire';
import { Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiQuery, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Identity } from '../callers/identity.ts';
import { Caller, Requires } from '../callers/requires.ts';
import { Clock } from '../clock.ts';
import { JsonBody } from '../http/body.ts';
import { Endpoint } from '../http/endpoint.ts';
import { encodeCursor, readCursor, readLimit } from '../http/paging.ts';
import { VendorReader } from '../vendors/vendor.reader.ts';
import { wireTime } from '../wire-time.ts';
import { CertificateReader, type IssuedCertificate } from './certificate.reader.ts';
import { RequestCertificate } from './request-certificate.ts';
import { showCertificate } from './show-certificate.ts';

@ApiTags('certificates')
@Controller('api/v1')
export class CertificatesController {
  constructor(
    private readonly reader: CertificateReader,
    private readonly vendors: VendorReader,
    private readonly request: RequestCertificate,
    private readonly clock: Clock,
  ) {}

  @Post('vendors/:id/certificates')
  @Requires('signed-in')
  @Endpoint({
    summary: 'Request a signing certificate; it is in the log before it is answered',
    description: 'For owners and publishers of an active vendor. Only the public key is taken from the request.',
    accepts: CertificateRequest,
    status: 201,
    answers: Certificate,
    refuses: [
      'http/invalid-body',
      'x509/malformed',
      'x509/bad-signature',
      'certificate/ambiguous-request',
      'certificate/attestation-refused',
      'caller/forbidden',
      'vendor/not-found',
      'certificate/vendor-not-active',
      'certificate/ca-retired',
      'certificate/key-used',
      'certificate/key-blocked',
      'certificate/key-refused',
      'certificate/profile-violation',
    ],
  })
  async create(
    @Caller() caller: Identity,
    @Param('id') id: string,
    @JsonBody(CertificateRequest) request: CertificateRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Certificate> {
    const certificate = await this.request.run(caller, id, request);
    response.setHeader('Location', `/api/v1/certificates/${certificate.serial}`);
    return this.show(certificate);
  }

  @Get('vendors/:id/certificates')
  @Requires('anyone')
  @ApiQuery({ name: 'limit', required: false, type: 'integer' })
  @ApiQuery({ name: 'before', required: false, type: 'string', description: 'The cursor `next` of the page before.' })
  @Endpoint({
    summary: 'Certificates of a vendor, newest first',
    answers: CertificatePage,
    refuses: ['http/invalid-query', 'vendor/not-found'],
  })
  async list(
    @Param('id') id: string,
    @Query() query: Record<string, unknown>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CertificatePage> {
    const limit = readLimit(query['limit']);
    const before = readCursor(query['before'], isLogIndex);
    await this.vendors.load(id);
    const found = await this.reader.ofVendor(id, limit + 1, before === undefined ? undefined : BigInt(before));
    const shown = found.slice(0, limit);
    const items = await Promise.all(shown.map((certificate) => this.show(certificate)));
    const last = shown.at(-1);
    if (found.length <= limit || last === undefined) return { items };
    const next = encodeCursor(last.logIndex.toString());
    response.setHeader('Link', `</api/v1/vendors/${id}/certificates?limit=${limit}&before=${next}>; rel="next"`);
    return { items, next };
  }

  @Get('certificates/:serial')
  @Requires('anyone')
  @Endpoint({ summary: 'One certificate, by serial number', answers: Certificate, refuses: ['certificate/not-found'] })
  async find(@Param('serial') serial: string): Promise<Certificate> {
    return this.show(await this.reader.load(serial));
  }

  @Get('blocked-keys')
  @Requires('governance')
  @ApiQuery({ name: 'limit', required: false, type: 'integer' })
  @ApiQuery({ name: 'before', required: false, type: 'string', description: 'The cursor `next` of the page before.' })
  @Endpoint({
    summary: 'Keys that nobody gets a certificate for, the latest decision first',
    description:
      'Those that were revoked by themselves (`POST /api/v1/revocations` with `target.key`, also before anybody has shown them ' +
      'here), and those of certificates revoked for keyCompromise. A key that was ever certified is not certified again either.',
    answers: BlockedKeyPage,
    refuses: ['http/invalid-query'],
  })
  async blockedKeys(
    @Query() query: Record<string, unknown>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<BlockedKeyPage> {
    const limit = readLimit(query['limit']);
    const before = readCursor(query['before'], isLogIndex);
    const found = await this.reader.blockedKeys(limit + 1, before === undefined ? undefined : BigInt(before));
    const shown = found.slice(0, limit);
    const items = shown.map(({ spkiSha256, reason, since, entryId, serial }) => ({
      ...{ spkiSha256, reason, since: wireTime(since), entryId },
      ...(serial !== undefined && { serial }),
    }));
    const last = shown.at(-1);
    if (found.length <= limit || last === undefined) return { items };
    const next = encodeCursor(last.sequence.toString());
    response.setHeader('Link', `</api/v1/blocked-keys?limit=${limit}&before=${next}>; rel="next"`);
    return { items, next };
  }

  private async show(certificate: IssuedCertificate): Promise<Certificate> {
    const issuing = await this.reader.loadAuthority(certificate.issuer);
    const root = await this.reader.loadIssuerOf(issuing);
    return showCertificate(certificate, [issuing.der, root.der], this.clock.now());
  }
}

/** A page begins where the one before ended: at a log index. */
function isLogIndex(text: string): boolean {
  return /^\d{1,18}$/.test(text);
}
