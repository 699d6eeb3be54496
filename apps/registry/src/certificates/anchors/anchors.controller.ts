import {
  Anchor,
  ANCHOR_PURPOSES,
  AnchorList,
  AnchorPage,
  AnchorPreview,
  AnchorRequest,
  ApprovalRequest,
  SuspensionRequest,
} from '@margo-trust/wire';
import { encodePem } from '@margo-trust/x509';
import { Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiQuery, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Identity } from '../../callers/identity.ts';
import { Caller, Requires } from '../../callers/requires.ts';
import { JsonBody } from '../../http/body.ts';
import { Endpoint } from '../../http/endpoint.ts';
import { HttpFault } from '../../http/http.fault.ts';
import { encodeCursor, readCursor, readLimit } from '../../http/paging.ts';
import { VendorReader } from '../../vendors/vendor.reader.ts';
import { wireTime } from '../../wire-time.ts';
import { noSuchAnchor } from './anchor.fault.ts';
import { type AnchorApproval, AnchorReader, type StoredAnchor } from './anchor.reader.ts';
import { ApproveAnchor } from './approve-anchor.ts';
import { ProposeAnchor } from './propose-anchor.ts';
import { readOrder } from './read-order.ts';
import { WithdrawAnchor } from './withdraw-anchor.ts';

/** What governance decides about at a time; those beyond wait their turn. */
const MAX_PROPOSALS = 100;

/** CAs and certificates of vendors' own: docs/anchors.md. */
@ApiTags('anchors')
@Controller('api/v1')
export class AnchorsController {
  constructor(
    private readonly vendors: VendorReader,
    private readonly reader: AnchorReader,
    private readonly propose: ProposeAnchor,
    private readonly approve: ApproveAnchor,
    private readonly withdraw: WithdrawAnchor,
  ) {}

  @Post('vendors/:id/anchors')
  @Requires('signed-in')
  @Endpoint({
    summary: 'Propose a CA or certificate of the vendor’s own as an anchor',
    description:
      'For owners, and for governance on behalf. Two members of governance decide. A refusal gives all reasons.',
    accepts: AnchorRequest,
    status: 201,
    answers: Anchor,
    refuses: [
      'anchor/too-many',
      'anchor/unfit',
      'caller/forbidden',
      'http/invalid-body',
      'vendor/not-found',
      'x509/malformed',
    ],
  })
  async create(
    @Caller() caller: Identity,
    @Param('id') id: string,
    @JsonBody(AnchorRequest) request: AnchorRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Anchor> {
    const anchor = await this.propose.run(caller, id, readOrder(request));
    response.setHeader('Location', `/api/v1/anchors/${anchor.id}`);
    return showAnchor(anchor, []);
  }

  @Post('vendors/:id/anchors/preview')
  @Requires('signed-in')
  @Endpoint({
    summary: 'What would speak against such an anchor',
    description: 'Changes nothing. For those who may propose it.',
    accepts: AnchorRequest,
    answers: AnchorPreview,
    refuses: ['caller/forbidden', 'http/invalid-body', 'vendor/not-found', 'x509/malformed'],
  })
  async preview(
    @Caller() caller: Identity,
    @Param('id') id: string,
    @JsonBody(AnchorRequest) request: AnchorRequest,
  ): Promise<AnchorPreview> {
    const { anchor, findings } = await this.propose.preview(caller, id, readOrder(request));
    const { certificate, validFrom, validUntil } = anchor;
    return {
      findings,
      ...{ fingerprint: certificate.fingerprint, certificateSubject: certificate.subjectText },
      ...{ validFrom: wireTime(validFrom), validUntil: wireTime(validUntil) },
    };
  }

  @Get('vendors/:id/anchors')
  @Requires('anyone')
  @Endpoint({
    summary: 'The anchors of a vendor, oldest first',
    description: 'Proposals are for the vendor’s own members and for governance.',
    answers: AnchorList,
    refuses: ['vendor/not-found'],
  })
  async ofVendor(@Caller() caller: Identity | undefined, @Param('id') id: string): Promise<AnchorList> {
    await this.vendors.load(id);
    const anchors = await this.reader.ofVendor(id);
    return {
      items: await Promise.all(anchors.filter((one) => maySee(caller, one)).map((one) => this.describe(caller, one))),
    };
  }

  @Get('anchors')
  @Requires('anyone')
  @ApiQuery({ name: 'purpose', required: false, enum: [...ANCHOR_PURPOSES] })
  @ApiQuery({ name: 'limit', required: false, type: 'integer' })
  @ApiQuery({ name: 'after', required: false, type: 'string', description: 'The cursor `next` of the page before.' })
  @Endpoint({
    summary: 'The anchors in force, in the order of the log',
    description: 'With `purpose=device-idevid`: the directory of device manufacturers’ CAs.',
    answers: AnchorPage,
    refuses: ['http/invalid-query'],
  })
  async list(
    @Query() query: Record<string, unknown>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AnchorPage> {
    const purpose = readPurpose(query['purpose']);
    const limit = readLimit(query['limit']);
    const after = readCursor(query['after'], (text) => /^\d{1,18}$/.test(text));
    const anchors = await this.reader.page({
      ...(purpose && { purpose }),
      limit: limit + 1,
      ...(after !== undefined && { after: BigInt(after) }),
    });
    const shown = anchors.slice(0, limit);
    const items = shown.map((anchor) => showAnchor(anchor));
    const last = shown.at(-1)?.registration?.logIndex;
    if (anchors.length <= limit || last === undefined) return { items };
    const next = encodeCursor(last.toString());
    const of = purpose === undefined ? '' : `purpose=${purpose}&`;
    response.setHeader('Link', `</api/v1/anchors?${of}limit=${limit}&after=${next}>; rel="next"`);
    return { items, next };
  }

  @Get('anchors/proposals')
  @Requires('governance')
  @Endpoint({ summary: 'Anchors that wait for a decision, oldest first; a hundred at most', answers: AnchorList })
  async proposals(@Caller() caller: Identity): Promise<AnchorList> {
    const anchors = await this.reader.proposals(MAX_PROPOSALS);
    return { items: await Promise.all(anchors.map((anchor) => this.describe(caller, anchor))) };
  }

  @Get('anchors/:id')
  @Requires('anyone')
  @Endpoint({ summary: 'One anchor', answers: Anchor, refuses: ['anchor/not-found'] })
  async show(@Caller() caller: Identity | undefined, @Param('id') id: string): Promise<Anchor> {
    const anchor = await this.reader.load(id);
    if (!maySee(caller, anchor)) throw noSuchAnchor();
    return this.describe(caller, anchor);
  }

  @Post('anchors/:id/approvals')
  @Requires('governance')
  @Endpoint({
    summary: 'Approve a proposed anchor; the second approval registers it',
    accepts: ApprovalRequest,
    status: 201,
    answers: Anchor,
    refuses: [
      'anchor/already-approved',
      'anchor/not-found',
      'anchor/own-organisation',
      'anchor/unfit',
      'anchor/wrong-state',
      'http/invalid-body',
    ],
  })
  async addApproval(
    @Caller() caller: Identity,
    @Param('id') id: string,
    @JsonBody(ApprovalRequest) { note }: ApprovalRequest,
  ): Promise<Anchor> {
    await this.approve.run(caller, id, note);
    return this.describe(caller, await this.reader.load(id));
  }

  @Post('anchors/:id/withdrawal')
  @Requires('signed-in')
  @Endpoint({
    summary: 'Withdraw an anchor, or a proposal: nothing is admitted under it any more',
    description:
      'What was signed before stands: if its key is in wrong hands, revoke that. For the vendor’s owners and security ' +
      'contacts, and for governance; one person suffices.',
    accepts: SuspensionRequest,
    status: 201,
    answers: Anchor,
    refuses: ['anchor/not-found', 'anchor/wrong-state', 'caller/forbidden', 'http/invalid-body'],
  })
  async end(
    @Caller() caller: Identity,
    @Param('id') id: string,
    @JsonBody(SuspensionRequest) { reason }: SuspensionRequest,
  ): Promise<Anchor> {
    await this.withdraw.run(caller, id, reason);
    return this.describe(caller, await this.reader.load(id));
  }

  private async describe(caller: Identity | undefined, anchor: StoredAnchor): Promise<Anchor> {
    return showAnchor(anchor, isInside(caller, anchor) ? await this.reader.approvals(anchor.id) : undefined);
  }
}

function isInside(caller: Identity | undefined, { vendorId }: StoredAnchor): boolean {
  return caller !== undefined && (caller.isGovernance || caller.belongsTo(vendorId));
}

/** What was never on record is nobody else's business. */
function maySee(caller: Identity | undefined, anchor: StoredAnchor): boolean {
  return anchor.registration !== undefined || isInside(caller, anchor);
}

function readPurpose(value: unknown): (typeof ANCHOR_PURPOSES)[number] | undefined {
  if (value === undefined) return undefined;
  const found = ANCHOR_PURPOSES.find((purpose) => purpose === value);
  if (found !== undefined) return found;
  const message = `must be one of ${ANCHOR_PURPOSES.join(', ')}`;
  throw new HttpFault('http/invalid-query', `purpose ${message}.`, { errors: [{ field: 'purpose', message }] });
}

/** `approvals` where the caller may see them. */
function showAnchor(anchor: StoredAnchor, approvals?: readonly AnchorApproval[]): Anchor {
  const { id, vendorId, state, purpose, certificate, claims, subject, registration, withdrawal } = anchor;
  return {
    ...{ id, vendorId, state, purpose, fingerprint: certificate.fingerprint },
    ...{ certificateSubject: certificate.subjectText, certificate: encodePem('CERTIFICATE', certificate.der) },
    claims: {
      applicationIdPrefixes: [...claims.applicationIdPrefixes],
      ociNamespaces: [...claims.ociNamespaces],
    },
    subject: { ...subject },
    ...{ validFrom: wireTime(anchor.validFrom), validUntil: wireTime(anchor.validUntil) },
    proposedAt: wireTime(anchor.proposedAt),
    ...(registration && { registeredAt: wireTime(registration.at), entryId: registration.entryId }),
    ...(withdrawal && { withdrawnAt: wireTime(withdrawal.at) }),
    ...(withdrawal?.entryId !== undefined && { withdrawalEntryId: withdrawal.entryId }),
    ...(approvals && {
      reason: anchor.reason,
      approvals: approvals.map(({ subject: by, note, approvedAt }) => ({ by, note, at: wireTime(approvedAt) })),
    }),
  };
}
