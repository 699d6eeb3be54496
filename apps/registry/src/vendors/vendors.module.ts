import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.ts';
import { CallersModule } from '../callers/callers.module.ts';
import { LogModule } from '../log/log.module.ts';
import { ApplyAsVendor } from './apply-as-vendor.ts';
import { ApproveVendor } from './approve-vendor.ts';
import { ChangeStanding } from './change-standing.ts';
import { VendorReaderModule } from './vendor-reader.module.ts';
import { VendorStore } from './vendor.store.ts';
import { VendorsController } from './vendors.controller.ts';

@Module({
  imports: [AuditModule, CallersModule, LogModule, VendorReaderModule],
  controllers: [VendorsController],
  providers: [VendorStore, ApplyAsVendor, ApproveVendor, ChangeStanding],
})
export class VendorsModule {}
