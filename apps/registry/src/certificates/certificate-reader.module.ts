import { Module } from '@nestjs/common';
import { CertificateReader } from './certificate.reader.ts';

/** The reader alone: the log needs it, and the use cases beside it need the log. */
@Module({ providers: [CertificateReader], exports: [CertificateReader] })
export class CertificateReaderModule {}
