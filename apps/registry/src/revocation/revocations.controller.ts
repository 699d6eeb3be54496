import { Revocation, RevocationRequest } from '@margo-trust/wire';
import { Controller, Param, Post, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Identity } from '../callers/identity.ts';
import { Caller, Requires } from '../callers/requires.ts';
import { CertificateReader, type IssuedCertificate } from '../certificates/certificate.reader.ts';
import { JsonBody } from '../http/body.ts';
import { Endpoint } from '../http/endpoint.ts';
import { wireTime } from '../wire-time.ts';
import { RevokeCertificate } from './revoke-certificate.ts';

@ApiTags('certificates')
@Controller('api/v1/certificates')
export class RevocationsController {
  constructor(
    private readonly certificates: CertificateReader,
    private readonly revoke: RevokeCertificate,
  ) {}

  @Post(':serial/revocation')
  @Requires('signed-in')
  @Endpoint({
    summary: 'Revoke a certificate for good',
    description:
      "For its vendor's owners, publishers and security people, and for governance. 201 when it was decided now, 200 when it " +
      'held already. CRL and trust root follow within seconds.',
    accepts: RevocationRequest,
    status: 201,
    answers: Revocation,
    refuses: [
      'http/invalid-body',
      'caller/forbidden',
      'certificate/not-found',
      'revocation/invalid-date',
      'revocation/narrower',
    ],
  })
  async create(
    @Caller() caller: Identity,
    @Param('serial') serial: string,
    @JsonBody(RevocationRequest) request: RevocationRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Revocation> {
    const isNew = await this.revoke.run(caller, serial, request);
    if (!isNew) response.status(200);
    return showRevocation(await this.certificates.load(serial));
  }
}

function showRevocation({ serial, fingerprint, vendorId, revocation }: IssuedCertificate): Revocation {
  if (revocation === undefined) throw new Error('A revocation was committed and is not there.');
  const { reason, revokedAt, invalidityDate, entryId } = revocation;
  return {
    serial,
    fingerprint,
    vendorId,
    reason,
    revokedAt: wireTime(revokedAt),
    ...(invalidityDate && { invalidityDate: wireTime(invalidityDate) }),
    entryId,
  };
}
