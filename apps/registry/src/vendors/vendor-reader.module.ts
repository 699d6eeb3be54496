import { Module } from '@nestjs/common';
import { VendorReader } from './vendor.reader.ts';

/** The reader alone: the log needs it, and the use cases beside it need the log. */
@Module({ providers: [VendorReader], exports: [VendorReader] })
export class VendorReaderModule {}
