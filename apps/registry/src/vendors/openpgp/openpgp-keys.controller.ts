import { armorOpenpgpKey } from '@margo-trust/openpgp';
import { OpenpgpKey, OpenpgpKeyList, OpenpgpKeyRequest } from '@margo-trust/wire';
import { Controller, Delete, Get, Param, Post, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { Identity } from '../../callers/identity.ts';
import { Caller, Requires } from '../../callers/requires.ts';
import { JsonBody } from '../../http/body.ts';
import { Endpoint } from '../../http/endpoint.ts';
import { wireTime } from '../../wire-time.ts';
import { VendorReader } from '../vendor.reader.ts';
import { OpenpgpKeyReader, type RegisteredOpenpgpKey } from './openpgp-key.reader.ts';
import { RegisterOpenpgpKey } from './register-openpgp-key.ts';
import { WithdrawOpenpgpKey } from './withdraw-openpgp-key.ts';

@ApiTags('vendors')
@Controller('api/v1/vendors/:id/openpgp-keys')
export class OpenpgpKeysController {
  constructor(
    private readonly vendors: VendorReader,
    private readonly reader: OpenpgpKeyReader,
    private readonly register: RegisterOpenpgpKey,
    private readonly withdraw: WithdrawOpenpgpKey,
  ) {}

  @Post()
  @Requires('signed-in')
  @Endpoint({
    summary: 'Register an OpenPGP key, for reading',
    description: 'For owners. It goes on record. Nothing becomes trusted by it.',
    accepts: OpenpgpKeyRequest,
    status: 201,
    answers: OpenpgpKey,
    refuses: [
      'http/invalid-body',
      'caller/forbidden',
      'vendor/not-found',
      'openpgp/not-a-key',
      'openpgp/private-key',
      'openpgp/too-large',
      'openpgp/weak-key',
      'openpgp/key-expired',
      'openpgp/key-revoked',
      'openpgp/key-taken',
      'openpgp/too-many-keys',
      'openpgp/vendor-not-active',
    ],
  })
  async create(
    @Caller() caller: Identity,
    @Param('id') id: string,
    @JsonBody(OpenpgpKeyRequest) { key }: OpenpgpKeyRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OpenpgpKey> {
    const registered = await this.register.run(caller, id, key);
    response.setHeader('Location', `/api/v1/vendors/${id}/openpgp-keys/${registered.fingerprint}`);
    return show(registered);
  }

  @Get()
  @Requires('anyone')
  @Endpoint({
    summary: 'OpenPGP keys of a vendor that are not withdrawn, oldest first',
    answers: OpenpgpKeyList,
    refuses: ['vendor/not-found'],
  })
  async list(@Param('id') id: string): Promise<OpenpgpKeyList> {
    await this.vendors.load(id);
    return { items: await Promise.all((await this.reader.ofVendor(id)).map(show)) };
  }

  @Delete(':fingerprint')
  @Requires('signed-in')
  @Endpoint({
    summary: 'Withdraw an OpenPGP key for good',
    description: "For the vendor's owners and security contacts, and for governance.",
    status: 204,
    refuses: ['caller/forbidden', 'vendor/not-found', 'openpgp/key-not-found'],
  })
  async remove(
    @Caller() caller: Identity,
    @Param('id') id: string,
    @Param('fingerprint') fingerprint: string,
  ): Promise<void> {
    await this.withdraw.run(caller, id, fingerprint);
  }
}

async function show({ fingerprint, vendorId, key, registeredAt, entryId }: RegisteredOpenpgpKey): Promise<OpenpgpKey> {
  return { fingerprint, vendorId, key: await armorOpenpgpKey(key), registeredAt: wireTime(registeredAt), entryId };
}
