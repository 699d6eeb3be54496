import { Module } from '@nestjs/common';
import { CertificateReaderModule } from '../certificates/certificate-reader.module.ts';
import { HttpModule } from '../http/http.module.ts';
import { Readiness } from '../http/readiness.ts';
import { KeysModule } from '../keys/keys.module.ts';
import { LogModule } from '../log/log.module.ts';
import { RevocationReaderModule } from '../revocation/revocation-reader.module.ts';
import { VendorReaderModule } from '../vendors/vendor-reader.module.ts';
import { CollectLiveTargets } from './collect-live-targets.ts';
import { MakeFilter } from './make-filter.ts';
import { PerformCeremony } from './perform-ceremony.ts';
import { ProveAdmissions } from './prove-admissions.ts';
import { PublishCeremony } from './publish-ceremony.ts';
import { PublishTrustRoot } from './publish-trust-root.ts';
import { RenewTargets } from './renew-targets.ts';
import { SignOnlineRoles } from './sign-online-roles.ts';
import { TrustRootFreshness } from './trust-root-freshness.ts';
import { TrustRootReaderModule } from './trust-root-reader.module.ts';
import { TrustRootStore } from './trust-root.store.ts';
import { TufRepository } from './tuf-repository.ts';

@Module({
  imports: [
    CertificateReaderModule,
    HttpModule,
    KeysModule,
    LogModule,
    RevocationReaderModule,
    TrustRootReaderModule,
    VendorReaderModule,
  ],
  providers: [
    CollectLiveTargets,
    MakeFilter,
    PerformCeremony,
    ProveAdmissions,
    PublishCeremony,
    PublishTrustRoot,
    RenewTargets,
    SignOnlineRoles,
    TrustRootFreshness,
    TrustRootStore,
    TufRepository,
  ],
  exports: [PerformCeremony, PublishCeremony, PublishTrustRoot, RenewTargets],
})
export class TrustRootModule {
  constructor(readiness: Readiness, freshness: TrustRootFreshness) {
    readiness.add('trust root', () => freshness.complaint());
  }
}
