import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.ts';
import { HttpModule } from '../http/http.module.ts';
import { KeysModule } from '../keys/keys.module.ts';
import { LogModule } from '../log/log.module.ts';
import { RevocationReaderModule } from '../revocation/revocation-reader.module.ts';
import { TrustRootReaderModule } from '../trust-root/trust-root-reader.module.ts';
import { VendorReaderModule } from '../vendors/vendor-reader.module.ts';
import { CertificateReaderModule } from './certificate-reader.module.ts';
import { AnnounceAuthority } from './announce-authority.ts';
import { AuthoritiesController } from './authorities.controller.ts';
import { MoveAuthority } from './move-authority.ts';
import { CertificateStore } from './certificate.store.ts';
import { CertificatesController } from './certificates.controller.ts';
import { CreateAuthorities } from './create-authorities.ts';
import { IssueCertificate } from './issue-certificate.ts';
import { IssueTimestamp } from './issue-timestamp.ts';
import { RequestCertificate } from './request-certificate.ts';
import { SignLeaf } from './sign-leaf.ts';
import { TimestampController } from './timestamp.controller.ts';
import { BindWorkload } from './workload/bind-workload.ts';
import { BindingsController } from './workload/bindings.controller.ts';
import { ExchangeToken } from './workload/exchange-token.ts';
import { FulcioController } from './workload/fulcio.controller.ts';
import { UnbindWorkload } from './workload/unbind-workload.ts';
import { WorkloadTokens } from './workload/workload-tokens.ts';
import { WorkloadStore } from './workload/workload.store.ts';

@Module({
  imports: [
    AuditModule,
    CertificateReaderModule,
    HttpModule,
    KeysModule,
    LogModule,
    RevocationReaderModule,
    TrustRootReaderModule,
    VendorReaderModule,
  ],
  controllers: [
    AuthoritiesController,
    CertificatesController,
    TimestampController,
    BindingsController,
    FulcioController,
  ],
  providers: [
    AnnounceAuthority,
    MoveAuthority,
    CertificateStore,
    CreateAuthorities,
    IssueCertificate,
    IssueTimestamp,
    RequestCertificate,
    SignLeaf,
    BindWorkload,
    ExchangeToken,
    UnbindWorkload,
    WorkloadStore,
    WorkloadTokens,
  ],
  exports: [CreateAuthorities],
})
export class CertificatesModule {}
