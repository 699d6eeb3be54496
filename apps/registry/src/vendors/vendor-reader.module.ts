import { Module } from '@nestjs/common';
import { OpenpgpKeyReader } from './openpgp/openpgp-key.reader.ts';
import { VendorReader } from './vendor.reader.ts';

/** The readers alone: the log needs them, and the use cases beside them need the log. */
@Module({ providers: [OpenpgpKeyReader, VendorReader], exports: [OpenpgpKeyReader, VendorReader] })
export class VendorReaderModule {}
