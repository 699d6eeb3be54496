import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.ts';
import { CertificateReaderModule } from '../certificates/certificate-reader.module.ts';
import { HttpModule } from '../http/http.module.ts';
import { Readiness } from '../http/readiness.ts';
import { KeysModule } from '../keys/keys.module.ts';
import { VendorReaderModule } from '../vendors/vendor-reader.module.ts';
import { AdmissionReader } from './admission.reader.ts';
import { AppendRecord } from './append-record.ts';
import { ApprovePolicy } from './approve-policy.ts';
import { CheckpointStore } from './checkpoint.store.ts';
import { CollectCosignatures } from './collect-cosignatures.ts';
import { AnswerCompletely } from './answer-completely.ts';
import { CompleteController } from './complete.controller.ts';
import { EntriesController } from './entries.controller.ts';
import { EraseStatement } from './erase-statement.ts';
import { EvidenceController } from './evidence.controller.ts';
import { EvidenceReader } from './evidence.reader.ts';
import { ExplorerController } from './explorer.controller.ts';
import { FindEntries } from './find-entries.ts';
import { HeadGuard } from './head-guard.ts';
import { HeadSigner } from './head-signer.ts';
import { HighWaterFile } from './high-water-file.ts';
import { IndexForSearch } from './index-for-search.ts';
import { IndexMapReader } from './index-map.reader.ts';
import { IndexMapStore } from './index-map.store.ts';
import { IssueReceipt } from './issue-receipt.ts';
import { LogFault } from './log.fault.ts';
import { LogIdentity } from './log-identity.ts';
import { LogPaths } from './log-paths.ts';
import { LogReplies } from './log-replies.ts';
import { LogReader } from './log.reader.ts';
import { LogStore } from './log.store.ts';
import { OpenLog } from './open-log.ts';
import { PolicyController } from './policy.controller.ts';
import { PolicyReader } from './policy.reader.ts';
import { PolicyStore } from './policy.store.ts';
import { ProposePolicy } from './propose-policy.ts';
import { PublishedCheckpoint } from './published-checkpoint.ts';
import { RegisterHashedRekord } from './register-hashed-rekord.ts';
import { RegisterStatement } from './register-statement.ts';
import { RekorController } from './rekor.controller.ts';
import { RestrictStatement } from './restrict-statement.ts';
import { RollbackLatch } from './rollback-latch.ts';
import { ScittKeysController } from './scitt-keys.controller.ts';
import { SearchReader } from './search.reader.ts';
import { SearchStore } from './search.store.ts';
import { Sequencer } from './sequencer.ts';
import { SignSct } from './sign-sct.ts';
import { SignerFacts } from './signer-facts.ts';
import { TilesController } from './tiles.controller.ts';
import { TrustRootMirror } from './trust-root-mirror.ts';
import { WithholdingController } from './withholding.controller.ts';
import { WithholdingReader } from './withholding.reader.ts';
import { WithholdingStore } from './withholding.store.ts';
import { WitnessesSeen } from './witnesses-seen.ts';
import { WitnessQuorum } from './witness-quorum.ts';
import { UpdateIndexMap } from './update-index-map.ts';
import { WriteEvidence } from './write-evidence.ts';

@Module({
  imports: [AuditModule, HttpModule, KeysModule, CertificateReaderModule, VendorReaderModule],
  controllers: [
    CompleteController,
    EntriesController,
    EvidenceController,
    ExplorerController,
    PolicyController,
    RekorController,
    ScittKeysController,
    TilesController,
    WithholdingController,
  ],
  providers: [
    AdmissionReader,
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
    LogPaths,
    LogReader,
    LogReplies,
    LogStore,
    OpenLog,
    PolicyReader,
    PolicyStore,
    ProposePolicy,
    PublishedCheckpoint,
    RegisterHashedRekord,
    RegisterStatement,
    RestrictStatement,
    RollbackLatch,
    SearchReader,
    SearchStore,
    Sequencer,
    SignSct,
    SignerFacts,
    TrustRootMirror,
    WithholdingReader,
    WithholdingStore,
    WitnessesSeen,
    WitnessQuorum,
    UpdateIndexMap,
    WriteEvidence,
  ],
  exports: [
    AppendRecord,
    CollectCosignatures,
    HeadSigner,
    IndexForSearch,
    IssueReceipt,
    LogIdentity,
    LogReader,
    OpenLog,
    PublishedCheckpoint,
    RollbackLatch,
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
  ) {
    latch.add(witnesses);
    latch.add(mirror);
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
