import {
  Revocation,
  RevocationDecision,
  RevocationOrder,
  RevocationPage,
  RevocationPreview,
  RevocationRequest,
  type RevocationState,
} from '@margo-trust/wire';
import { Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiQuery, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Identity } from '../callers/identity.ts';
import { Caller, Requires } from '../callers/requires.ts';
import { CertificateReader, type IssuedCertificate } from '../certificates/certificate.reader.ts';
import { JsonBody } from '../http/body.ts';
import { Endpoint } from '../http/endpoint.ts';
import { encodeCursor, readCursor, readLimit } from '../http/paging.ts';
import { wireTime } from '../wire-time.ts';
import { type Preview, PreviewRevocation } from './preview-revocation.ts';
import { type HeldRevocation, RevocationReader } from './revocation.reader.ts';
import { Revoke } from './revoke.ts';

const REFUSALS = [
  'http/invalid-body',
  'caller/forbidden',
  'certificate/not-found',
  'vendor/not-found',
  'revocation/bad-target',
  'revocation/nothing-found',
  'revocation/invalid-date',
] as const;

@ApiTags('revocation')
@Controller('api/v1')
export class RevocationsController {
  constructor(
    private readonly certificates: CertificateReader,
    private readonly revocations: RevocationReader,
    private readonly revoke: Revoke,
    private readonly preview: PreviewRevocation,
  ) {}

  @Get('revocations')
  @Requires('anyone')
  @ApiQuery({ name: 'limit', required: false, type: 'integer' })
  @ApiQuery({ name: 'before', required: false, type: 'string', description: 'The cursor `next` of the page before.' })
  @Endpoint({
    summary: 'What is revoked, the latest decision first',
    answers: RevocationPage,
    refuses: ['http/invalid-query'],
  })
  async list(
    @Query() query: Record<string, unknown>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RevocationPage> {
    const limit = readLimit(query['limit']);
    const before = readCursor(query['before'], isPosition);
    const found = await this.revocations.page(limit + 1, before === undefined ? undefined : BigInt(before));
    const shown = found.slice(0, limit);
    const items = shown.map(showHeld);
    const last = shown.at(-1);
    if (found.length <= limit || last === undefined) return { items };
    const next = encodeCursor(last.sequence.toString());
    response.setHeader('Link', `</api/v1/revocations?limit=${limit}&before=${next}>; rel="next"`);
    return { items, next };
  }

  @Post('revocations')
  @Requires('signed-in')
  @Endpoint({
    summary: 'Revoke certificates, a key, an issuing CA, a vendor or an artifact for good',
    description:
      "Governance may revoke anything; a vendor's owners, publishers and security people what is its own. 201 when something was " +
      'decided now, 200 when all held already, 202 when another member of governance must ask for the same. CRLs, trust root and feeds follow within seconds.',
    accepts: RevocationOrder,
    status: 201,
    answers: RevocationDecision,
    refuses: [...REFUSALS, 'revocation/narrower', 'revocation/already-voted'],
  })
  async order(
    @Caller() caller: Identity,
    @JsonBody(RevocationOrder) order: RevocationOrder,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RevocationDecision> {
    const { decided, votes, held } = await this.revoke.run(caller, order);
    if (decided === 0) response.status(votes === undefined ? 200 : 202);
    return { decided, ...(votes !== undefined && { votes }), items: held.map(showHeld) };
  }

  @Post('revocations/preview')
  @Requires('signed-in')
  @ApiQuery({ name: 'limit', required: false, type: 'integer' })
  @ApiQuery({ name: 'before', required: false, type: 'string', description: 'The cursor `next` of the page before.' })
  @Endpoint({
    summary: 'What an order would hit: statements that stop verifying and that keep verifying; nothing is decided',
    accepts: RevocationOrder,
    answers: RevocationPreview,
    refuses: [...REFUSALS, 'http/invalid-query'],
  })
  async look(
    @Caller() caller: Identity,
    @JsonBody(RevocationOrder) order: RevocationOrder,
    @Query() query: Record<string, unknown>,
  ): Promise<RevocationPreview> {
    const limit = readLimit(query['limit']);
    const before = readCursor(query['before'], isPosition);
    const seen = await this.preview.run(caller, order, limit + 1, before === undefined ? undefined : BigInt(before));
    return showPreview(seen, limit);
  }

  @Post('certificates/:serial/revocation')
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
    const known = await this.certificates.load(serial);
    const { decided } = await this.revoke.run(caller, { target: { serials: [known.serial] }, ...request });
    if (decided === 0) response.status(200);
    return showRevocation(await this.certificates.load(serial));
  }
}

function showHeld({
  kind,
  target,
  vendorId,
  reason,
  revokedAt,
  invalidityDate,
  entryId,
}: HeldRevocation): RevocationState {
  return {
    kind,
    target,
    ...(vendorId !== undefined && { vendorId }),
    reason,
    revokedAt: wireTime(revokedAt),
    ...(invalidityDate && { invalidityDate: wireTime(invalidityDate) }),
    entryId,
  };
}

function showPreview(
  { certificateCount, certificates, crlBytes, counts, statements }: Preview,
  limit: number,
): RevocationPreview {
  const shown = statements.slice(0, limit);
  const last = shown.at(-1);
  return {
    certificateCount,
    certificates: certificates.map(({ serial, fingerprint, vendorId, notBefore, notAfter }) => ({
      ...{ serial, fingerprint, vendorId, notBefore: wireTime(notBefore), notAfter: wireTime(notAfter) },
    })),
    crlBytes,
    counts,
    items: shown.map(({ index, registeredAt, ...rest }) => ({
      index: index.toString(),
      registeredAt: wireTime(registeredAt),
      ...rest,
    })),
    ...(statements.length > limit && last !== undefined && { next: encodeCursor(last.index.toString()) }),
  };
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

/** A page begins where the one before ended: at the number of a decision, or at an index of the log. */
function isPosition(text: string): boolean {
  return /^\d{1,18}$/.test(text);
}
