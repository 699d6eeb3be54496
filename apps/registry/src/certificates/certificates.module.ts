import { Module, type OnModuleInit } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.ts';
import { HttpModule } from '../http/http.module.ts';
import { Readiness } from '../http/readiness.ts';
import { KeysModule } from '../keys/keys.module.ts';
import { LogModule } from '../log/log.module.ts';
import { RevocationReaderModule } from '../revocation/revocation-reader.module.ts';
import { TrustRootReaderModule } from '../trust-root/trust-root-reader.module.ts';
import { VendorReaderModule } from '../vendors/vendor-reader.module.ts';
import { CertificateReaderModule } from './certificate-reader.module.ts';
import { AnchorStore } from './anchors/anchor.store.ts';
import { AnchorsController } from './anchors/anchors.controller.ts';
import { ApproveAnchor } from './anchors/approve-anchor.ts';
import { JudgeProposal } from './anchors/judge-proposal.ts';
import { ProposeAnchor } from './anchors/propose-anchor.ts';
import { WithdrawAnchor } from './anchors/withdraw-anchor.ts';
import { AnnounceAuthority } from './announce-authority.ts';
import { AuthoritiesController } from './authorities.controller.ts';
import { MoveAuthority } from './move-authority.ts';
import { CertificateStore } from './certificate.store.ts';
import { CertificatesController } from './certificates.controller.ts';
import { CreateAuthorities } from './create-authorities.ts';
import { KeepAuthorities } from './keep-authorities.ts';
import { IssueCertificate } from './issue-certificate.ts';
import { RequestCertificate } from './request-certificate.ts';
import { SignLeaf } from './sign-leaf.ts';
import { ClockGuard } from './timestamping/clock-guard.ts';
import { IssueTimestamp } from './timestamping/issue-timestamp.ts';
import { StampMarkStore } from './timestamping/stamp-mark.store.ts';
import { TimestampController } from './timestamping/timestamp.controller.ts';
import { TimestampPaths } from './timestamping/timestamp-paths.ts';
import { TimestampReplies } from './timestamping/timestamp-replies.ts';
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
    AnchorsController,
    AuthoritiesController,
    CertificatesController,
    TimestampController,
    BindingsController,
    FulcioController,
  ],
  providers: [
    AnchorStore,
    ApproveAnchor,
    JudgeProposal,
    ProposeAnchor,
    WithdrawAnchor,
    AnnounceAuthority,
    MoveAuthority,
    CertificateStore,
    CreateAuthorities,
    KeepAuthorities,
    IssueCertificate,
    ClockGuard,
    IssueTimestamp,
    StampMarkStore,
    TimestampPaths,
    TimestampReplies,
    RequestCertificate,
    SignLeaf,
    BindWorkload,
    ExchangeToken,
    UnbindWorkload,
    WorkloadStore,
    WorkloadTokens,
  ],
  exports: [CreateAuthorities, KeepAuthorities],
})
export class CertificatesModule implements OnModuleInit {
  constructor(
    private readonly readiness: Readiness,
    private readonly guard: ClockGuard,
  ) {}

  onModuleInit(): void {
    this.readiness.add('clock', () => this.guard.doubt());
  }
}
