import { Module } from '@nestjs/common';
import { AnchorReader } from './anchors/anchor.reader.ts';
import { CertificateReader } from './certificate.reader.ts';

/** The readers alone: the log needs them, and the use cases beside them need the log. */
@Module({ providers: [AnchorReader, CertificateReader], exports: [AnchorReader, CertificateReader] })
export class CertificateReaderModule {}
