import { Module } from '@nestjs/common';
import { CertificateReaderModule } from '../certificates/certificate-reader.module.ts';
import { RevocationReader } from './revocation.reader.ts';

/** The reader alone, for areas that only look. */
@Module({ imports: [CertificateReaderModule], providers: [RevocationReader], exports: [RevocationReader] })
export class RevocationReaderModule {}
