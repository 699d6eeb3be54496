import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.ts';
import { CertificateReaderModule } from '../certificates/certificate-reader.module.ts';
import { HttpModule } from '../http/http.module.ts';
import { Readiness } from '../http/readiness.ts';
import { KeysModule } from '../keys/keys.module.ts';
import { LogModule } from '../log/log.module.ts';
import { VendorReaderModule } from '../vendors/vendor-reader.module.ts';
import { AffectedReader } from './affected.reader.ts';
import { Canary } from './canary.ts';
import { CanaryStore } from './canary.store.ts';
import { CrlFreshness } from './crl-freshness.ts';
import { IssueCrl } from './issue-crl.ts';
import { KeepCrls } from './keep-crls.ts';
import { PreviewRevocation } from './preview-revocation.ts';
import { PublishFeeds } from './publish-feeds.ts';
import { RevocationReaderModule } from './revocation-reader.module.ts';
import { RevocationStore } from './revocation.store.ts';
import { RevocationsController } from './revocations.controller.ts';
import { Revoke } from './revoke.ts';
import { SignCrls } from './sign-crl.ts';
import { WeighOrder } from './weigh-order.ts';

@Module({
  imports: [
    AuditModule,
    CertificateReaderModule,
    HttpModule,
    KeysModule,
    LogModule,
    RevocationReaderModule,
    VendorReaderModule,
  ],
  controllers: [RevocationsController],
  providers: [
    AffectedReader,
    Canary,
    CanaryStore,
    CrlFreshness,
    IssueCrl,
    KeepCrls,
    PreviewRevocation,
    PublishFeeds,
    RevocationStore,
    Revoke,
    SignCrls,
    WeighOrder,
  ],
  exports: [Canary, IssueCrl, KeepCrls],
})
export class RevocationModule {
  constructor(readiness: Readiness, freshness: CrlFreshness, canary: Canary) {
    readiness.add('crl', () => freshness.complaint());
    readiness.add('outputs', () => canary.complaint());
  }
}
