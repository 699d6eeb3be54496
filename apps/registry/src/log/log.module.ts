import { Module } from '@nestjs/common';
import { CertificateReaderModule } from '../certificates/certificate-reader.module.ts';
import { KeysModule } from '../keys/keys.module.ts';
import { VendorReaderModule } from '../vendors/vendor-reader.module.ts';
import { AppendRecord } from './append-record.ts';
import { EntriesController } from './entries.controller.ts';
import { EvidenceController } from './evidence.controller.ts';
import { EvidenceReader } from './evidence.reader.ts';
import { ExplorerController } from './explorer.controller.ts';
import { HeadSigner } from './head-signer.ts';
import { IssueReceipt } from './issue-receipt.ts';
import { LogIdentity } from './log-identity.ts';
import { LogReader } from './log.reader.ts';
import { LogStore } from './log.store.ts';
import { OpenLog } from './open-log.ts';
import { PublishedCheckpoint } from './published-checkpoint.ts';
import { RegisterStatement } from './register-statement.ts';
import { ScittKeysController } from './scitt-keys.controller.ts';
import { Sequencer } from './sequencer.ts';
import { TilesController } from './tiles.controller.ts';
import { WriteEvidence } from './write-evidence.ts';

@Module({
  imports: [KeysModule, CertificateReaderModule, VendorReaderModule],
  controllers: [EntriesController, EvidenceController, ExplorerController, ScittKeysController, TilesController],
  providers: [
    AppendRecord,
    EvidenceReader,
    HeadSigner,
    IssueReceipt,
    LogIdentity,
    LogReader,
    LogStore,
    OpenLog,
    PublishedCheckpoint,
    RegisterStatement,
    Sequencer,
    WriteEvidence,
  ],
  exports: [AppendRecord, HeadSigner, IssueReceipt, LogIdentity, LogReader, OpenLog, PublishedCheckpoint],
})
export class LogModule {}
