import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.ts';
import { CertificateReaderModule } from '../certificates/certificate-reader.module.ts';
import { HttpModule } from '../http/http.module.ts';
import { Readiness } from '../http/readiness.ts';
import { KeysModule } from '../keys/keys.module.ts';
import { RevocationReaderModule } from '../revocation/revocation-reader.module.ts';
import { VendorReaderModule } from '../vendors/vendor-reader.module.ts';
import { AdmissionReader } from './admission/admission.reader.ts';
import { AnchoredCertificateStore } from './admission/anchored-certificate.store.ts';
import { AppendRecord } from './append-record.ts';
import { ApprovePolicy } from './admission/approve-policy.ts';
import { CheckpointStore } from './witnessing/checkpoint.store.ts';
import { CollectCosignatures } from './witnessing/collect-cosignatures.ts';
import { AnswerCompletely } from './search/answer-completely.ts';
import { CompleteController } from './search/complete.controller.ts';
import { EntriesController } from './entries.controller.ts';
import { EraseStatement } from './withholding/erase-statement.ts';
import { EvidenceController } from './tiles/evidence.controller.ts';
import { EvidenceReader } from './tiles/evidence.reader.ts';
import { ExplorerController } from './search/explorer.controller.ts';
import { FindEntries } from './search/find-entries.ts';
import { GovernanceSeen } from './governance-seen.ts';
import { HeadGuard } from './head-guard.ts';
import { HeadSigner } from './head-signer.ts';
import { HighWaterFile } from './rollback/high-water-file.ts';
import { IndexForSearch } from './search/index-for-search.ts';
import { IndexMapReader } from './search/index-map.reader.ts';
import { IndexMapStore } from './search/index-map.store.ts';
import { IssueReceipt } from './issue-receipt.ts';
import { LogFault } from './log.fault.ts';
import { LogIdentity } from './log-identity.ts';
import { LogLife } from './log-life.ts';
import { LogsOnRecord } from './logs-on-record.ts';
import { LogKeyStore } from './keys/log-key.store.ts';
import { LogKeys } from './keys/log-keys.ts';
import { KeepTransitions } from './keys/keep-transitions.ts';
import { DecideLogChange } from './governance/decide-log-change.ts';
import { LogProposalStore } from './governance/log-proposal.store.ts';
import { LogsController } from './governance/logs.controller.ts';
import { LogsReader } from './governance/logs.reader.ts';
import { CloseFirstLog } from './governance/close-first-log.ts';
import { FreezeLog } from './governance/freeze-log.ts';
import { OpenNamedLog } from './governance/open-named-log.ts';
import { RetireLog } from './governance/retire-log.ts';
import { RotateLogKey } from './governance/rotate-log-key.ts';
import { RestoreLogKeys } from './keys/restore-log-keys.ts';
import { LogPaths } from './log-paths.ts';
import { LogReplies } from './log-replies.ts';
import { LogReader } from './log.reader.ts';
import { LogSteps } from './log-steps.ts';
import { LogStore } from './log.store.ts';
import { OpenLog } from './open-log.ts';
import { PolicyController } from './admission/policy.controller.ts';
import { PolicyReader } from './admission/policy.reader.ts';
import { PolicyStore } from './admission/policy.store.ts';
import { ProposePolicy } from './admission/propose-policy.ts';
import { PublishedCheckpoint } from './witnessing/published-checkpoint.ts';
import { RecordWithholding } from './withholding/record-withholding.ts';
import { RegisterHashedRekord } from './admission/register-hashed-rekord.ts';
import { RegisterStatement } from './admission/register-statement.ts';
import { RekorController } from './admission/rekor.controller.ts';
import { RestrictStatement } from './withholding/restrict-statement.ts';
import { RollbackLatch } from './rollback/rollback-latch.ts';
import { RunningLogs } from './running-logs.ts';
import { ScittKeysController } from './scitt-keys.controller.ts';
import { SearchReader } from './search/search.reader.ts';
import { SearchStore } from './search/search.store.ts';
import { SealBatch } from './seal-batch.ts';
import { Sequencer } from './sequencer.ts';
import { ServedLog } from './served-log.ts';
import { SignRecord } from './sign-record.ts';
import { SignSct } from './sign-sct.ts';
import { SignerFacts } from './admission/signer-facts.ts';
import { StandingAnchors } from './admission/standing-anchors.ts';
import { TilesController } from './tiles/tiles.controller.ts';
import { TrustRootMirror } from './rollback/trust-root-mirror.ts';
import { WithholdingController } from './withholding/withholding.controller.ts';
import { WithholdingReader } from './withholding/withholding.reader.ts';
import { WithholdingStore } from './withholding/withholding.store.ts';
import { WitnessesSeen } from './rollback/witnesses-seen.ts';
import { WitnessQuorum } from './witnessing/witness-quorum.ts';
import { UpdateIndexMap } from './search/update-index-map.ts';
import { WriteEvidence } from './tiles/write-evidence.ts';

@Module({
  imports: [AuditModule, HttpModule, KeysModule, CertificateReaderModule, RevocationReaderModule, VendorReaderModule],
  controllers: [
    CompleteController,
    EntriesController,
    EvidenceController,
    ExplorerController,
    LogsController,
    PolicyController,
    RekorController,
    ScittKeysController,
    TilesController,
    WithholdingController,
  ],
  providers: [
    AdmissionReader,
    AnchoredCertificateStore,
    AnswerCompletely,
    AppendRecord,
    ApprovePolicy,
    EraseStatement,
    CheckpointStore,
    CollectCosignatures,
    EvidenceReader,
    FindEntries,
    HeadGuard,
    HeadSigner,
    HighWaterFile,
    IndexForSearch,
    IndexMapReader,
    IndexMapStore,
    IssueReceipt,
    LogIdentity,
    DecideLogChange,
    CloseFirstLog,
    FreezeLog,
    GovernanceSeen,
    LogLife,
    LogsOnRecord,
    OpenNamedLog,
    RetireLog,
    RunningLogs,
    SignRecord,
    KeepTransitions,
    LogKeys,
    LogKeyStore,
    LogPaths,
    LogProposalStore,
    LogsReader,
    LogReader,
    LogReplies,
    LogSteps,
    LogStore,
    OpenLog,
    PolicyReader,
    PolicyStore,
    ProposePolicy,
    PublishedCheckpoint,
    RecordWithholding,
    RegisterHashedRekord,
    RegisterStatement,
    RestoreLogKeys,
    RotateLogKey,
    RestrictStatement,
    RollbackLatch,
    SearchReader,
    SearchStore,
    SealBatch,
    Sequencer,
    SignSct,
    SignerFacts,
    StandingAnchors,
    TrustRootMirror,
    WithholdingReader,
    WithholdingStore,
    WitnessesSeen,
    WitnessQuorum,
    UpdateIndexMap,
    WriteEvidence,
  ],
  exports: [
    EvidenceReader,
    WriteEvidence,
    AppendRecord,
    CollectCosignatures,
    HeadSigner,
    IndexForSearch,
    IssueReceipt,
    LogIdentity,
    KeepTransitions,
    LogKeys,
    LogReader,
    LogLife,
    LogsOnRecord,
    OpenLog,
    PublishedCheckpoint,
    RestoreLogKeys,
    RollbackLatch,
    RunningLogs,
    SignSct,
    UpdateIndexMap,
  ],
})
export class LogModule {
  constructor(
    readiness: Readiness,
    latch: RollbackLatch,
    reader: LogReader,
    witnesses: WitnessesSeen,
    cosignatures: CollectCosignatures,
    mirror: TrustRootMirror,
    log: ServedLog,
    logs: RunningLogs,
  ) {
    latch.add(witnesses);
    if (log.isFirst) {
      latch.add(mirror); // the trust root carries the checkpoint of the first log
      readiness.add('logs', () => logs.complaint());
    }
    readiness.describe('witnesses', () => cosignatures.describe());
    readiness.add('log', async () => latch.complaint() ?? (await findDamage(reader)));
  }
}

/** Looks at what the next signature would rest on: the head and the entry before it. */
async function findDamage(reader: LogReader): Promise<string | undefined> {
  try {
    const head = await reader.findHead();
    if (head && head.size > 0n) await reader.leafHash(head.size - 1n);
    return undefined;
  } catch (error) {
    if (error instanceof LogFault && error.code === 'log/damaged') return error.message;
    throw error;
  }
}
