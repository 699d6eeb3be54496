import { ApprovalRequest, SuspensionRequest, Vendor, VendorApplication, VendorPage } from '@margo-trust/wire';
import { Controller, Delete, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiQuery, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Identity } from '../callers/identity.ts';
import { Caller, Requires } from '../callers/requires.ts';
import { JsonBody } from '../http/body.ts';
import { Endpoint } from '../http/endpoint.ts';
import { encodeCursor, readLimit, readCursor } from '../http/paging.ts';
import { ApplyAsVendor } from './apply-as-vendor.ts';
import { ApproveVendor } from './approve-vendor.ts';
import { ChangeStanding } from './change-standing.ts';
import { showVendor } from './show-vendor.ts';
import { isVendorId } from './vendor-id.ts';
import { VendorReader } from './vendor.reader.ts';

@ApiTags('vendors')
@Controller('api/v1/vendors')
export class VendorsController {
  constructor(
    private readonly reader: VendorReader,
    private readonly apply: ApplyAsVendor,
    private readonly approve: ApproveVendor,
    private readonly standing: ChangeStanding,
  ) {}

  @Post()
  @Requires('signed-in')
  @Endpoint({
    summary: 'Apply as a vendor; the caller becomes its owner',
    accepts: VendorApplication,
    status: 201,
    answers: Vendor,
    refuses: ['http/invalid-body', 'vendor/claim-taken', 'vendor/subject-taken'],
  })
  async create(
    @Caller() caller: Identity,
    @JsonBody(VendorApplication) application: VendorApplication,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Vendor> {
    const id = await this.apply.run(caller, application);
    response.setHeader('Location', `/api/v1/vendors/${id}`);
    return showVendor(await this.reader.load(id), true);
  }

  @Get()
  @Requires('anyone')
  @ApiQuery({ name: 'limit', required: false, type: 'integer' })
  @ApiQuery({ name: 'before', required: false, type: 'string', description: 'The cursor `next` of the page before.' })
  @Endpoint({ summary: 'Vendors, newest first', answers: VendorPage, refuses: ['http/invalid-query'] })
  async list(
    @Caller() caller: Identity | undefined,
    @Query() query: Record<string, unknown>,
    @Res({ passthrough: true }) response: Response,
  ): Promise<VendorPage> {
    const limit = readLimit(query['limit']);
    const vendors = await this.reader.page(limit + 1, readCursor(query['before'], isVendorId));
    const items = vendors.slice(0, limit).map((vendor) => showVendor(vendor, maySeeContacts(caller, vendor.id)));
    const last = items.at(-1);
    if (vendors.length <= limit || last === undefined) return { items };
    const next = encodeCursor(last.id);
    response.setHeader('Link', `</api/v1/vendors?limit=${limit}&before=${next}>; rel="next"`);
    return { items, next };
  }

  @Get(':id')
  @Requires('anyone')
  @Endpoint({ summary: 'One vendor', answers: Vendor, refuses: ['vendor/not-found'] })
  async show(@Caller() caller: Identity | undefined, @Param('id') id: string): Promise<Vendor> {
    return showVendor(await this.reader.load(id), maySeeContacts(caller, id));
  }

  @Post(':id/approvals')
  @Requires('governance')
  @Endpoint({
    summary: 'Approve a vendor; the second approval admits it',
    accepts: ApprovalRequest,
    status: 201,
    answers: Vendor,
    refuses: [
      'vendor/own-organisation',
      'vendor/not-found',
      'vendor/already-approved',
      'vendor/wrong-status',
      'vendor/claim-taken',
      'vendor/subject-taken',
    ],
  })
  async addApproval(
    @Caller() caller: Identity,
    @Param('id') id: string,
    @JsonBody(ApprovalRequest) { note }: ApprovalRequest,
  ): Promise<Vendor> {
    await this.approve.run(caller, id, note);
    return showVendor(await this.reader.load(id), true);
  }

  @Post(':id/suspension')
  @Requires('governance')
  @Endpoint({
    summary: 'Suspend a vendor at once',
    accepts: SuspensionRequest,
    status: 201,
    answers: Vendor,
    refuses: ['vendor/not-found', 'vendor/wrong-status'],
  })
  async suspend(
    @Caller() caller: Identity,
    @Param('id') id: string,
    @JsonBody(SuspensionRequest) { reason }: SuspensionRequest,
  ): Promise<Vendor> {
    await this.standing.run(caller, id, { to: 'suspended', reason });
    return showVendor(await this.reader.load(id), true);
  }

  @Delete(':id/suspension')
  @Requires('governance')
  @Endpoint({
    summary: 'Reinstate a suspended vendor',
    answers: Vendor,
    refuses: ['vendor/own-organisation', 'vendor/not-found', 'vendor/wrong-status'],
  })
  async reinstate(@Caller() caller: Identity, @Param('id') id: string): Promise<Vendor> {
    await this.standing.run(caller, id, { to: 'active' });
    return showVendor(await this.reader.load(id), true);
  }
}

/** Contacts and approvals are for the vendor's members and for governance. */
function maySeeContacts(caller: Identity | undefined, id: string): boolean {
  return caller !== undefined && (caller.isGovernance || caller.belongsTo(id));
}
