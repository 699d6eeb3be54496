import { Module } from '@nestjs/common';
import { RevocationReader } from './revocation.reader.ts';

/** The reader alone, for areas that only look. */
@Module({ providers: [RevocationReader], exports: [RevocationReader] })
export class RevocationReaderModule {}
