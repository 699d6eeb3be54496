import { WorkloadBinding, WorkloadBindingList, WorkloadBindingRequest } from '@margo-trust/wire';
import { Controller, Delete, Get, Param, Post, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Identity } from '../../callers/identity.ts';
import { Caller, Requires } from '../../callers/requires.ts';
import { JsonBody } from '../../http/body.ts';
import { Endpoint } from '../../http/endpoint.ts';
import { VendorReader } from '../../vendors/vendor.reader.ts';
import { wireTime } from '../../wire-time.ts';
import { BindWorkload } from './bind-workload.ts';
import { UnbindWorkload } from './unbind-workload.ts';
import { type WorkloadBinding as StoredBinding, WorkloadStore } from './workload.store.ts';

@ApiTags('certificates')
@Controller('api/v1/vendors/:id/workload-bindings')
export class BindingsController {
  constructor(
    private readonly vendors: VendorReader,
    private readonly store: WorkloadStore,
    private readonly bind: BindWorkload,
    private readonly unbind: UnbindWorkload,
  ) {}

  @Post()
  @Requires('signed-in')
  @Endpoint({
    summary: 'Let builds have certificates of the vendor, each for a day',
    description: 'For owners. The binding goes on record; builds exchange their tokens at `POST /api/v2/signingCert`.',
    accepts: WorkloadBindingRequest,
    status: 201,
    answers: WorkloadBinding,
    refuses: [
      'http/invalid-body',
      'workload/issuer-not-admitted',
      'workload/pattern-refused',
      'workload/already-bound',
      'workload/too-many',
      'caller/forbidden',
      'vendor/not-found',
      'certificate/vendor-not-active',
    ],
  })
  async create(
    @Caller() caller: Identity,
    @Param('id') id: string,
    @JsonBody(WorkloadBindingRequest) request: WorkloadBindingRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<WorkloadBinding> {
    const binding = await this.bind.run(caller, id, request);
    response.setHeader('Location', `/api/v1/vendors/${id}/workload-bindings/${binding.id}`);
    return show(binding, (await this.vendors.load(id)).uri);
  }

  @Get()
  @Requires('anyone')
  @Endpoint({
    summary: 'Which builds may have certificates of a vendor, oldest first',
    answers: WorkloadBindingList,
    refuses: ['vendor/not-found'],
  })
  async list(@Param('id') id: string): Promise<WorkloadBindingList> {
    const { uri } = await this.vendors.load(id);
    return { items: (await this.store.ofVendor(id)).map((binding) => show(binding, uri)) };
  }

  @Delete(':binding')
  @Requires('signed-in')
  @Endpoint({
    summary: 'End a binding: no build gets a certificate by it any more',
    description: "For the vendor's owners and security contacts, and for governance.",
    status: 204,
    refuses: ['caller/forbidden', 'vendor/not-found', 'workload/no-such-binding'],
  })
  async remove(@Caller() caller: Identity, @Param('id') id: string, @Param('binding') binding: string): Promise<void> {
    await this.unbind.run(caller, id, binding);
  }
}

function show(
  { id, vendorId, issuer, subject, claims, createdAt, entryId }: StoredBinding,
  uri: string,
): WorkloadBinding {
  return {
    ...{ id, vendorId, issuer, subject },
    claims: Object.entries(claims)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => ({ name, value })),
    audience: uri,
    createdAt: wireTime(createdAt),
    entryId,
  };
}
