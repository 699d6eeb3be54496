import { Module } from '@nestjs/common';
import { TrustRootReader } from './trust-root.reader.ts';

@Module({ providers: [TrustRootReader], exports: [TrustRootReader] })
export class TrustRootReaderModule {}
