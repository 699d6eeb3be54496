import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.ts';
import { CallersModule } from '../callers/callers.module.ts';
import { LogModule } from '../log/log.module.ts';
import { ApplyAsVendor } from './apply-as-vendor.ts';
import { ApproveVendor } from './approve-vendor.ts';
import { ChangeStanding } from './change-standing.ts';
import { OpenpgpKeyStore } from './openpgp/openpgp-key.store.ts';
import { OpenpgpKeysController } from './openpgp/openpgp-keys.controller.ts';
import { RegisterOpenpgpKey } from './openpgp/register-openpgp-key.ts';
import { WithdrawOpenpgpKey } from './openpgp/withdraw-openpgp-key.ts';
import { VendorReaderModule } from './vendor-reader.module.ts';
import { VendorStore } from './vendor.store.ts';
import { VendorsController } from './vendors.controller.ts';

@Module({
  imports: [AuditModule, CallersModule, LogModule, VendorReaderModule],
  controllers: [VendorsController, OpenpgpKeysController],
  providers: [
    VendorStore,
    ApplyAsVendor,
    ApproveVendor,
    ChangeStanding,
    OpenpgpKeyStore,
    RegisterOpenpgpKey,
    WithdrawOpenpgpKey,
  ],
})
export class VendorsModule {}
