export { AuditorFault, type AuditorFaultCode } from './fault.ts';
export type { EvidenceKind, EvidenceRow, LogEvidence, Seal } from './evidence.ts';
export { encodeEvidence, encodeSeals, EvidenceEncoder } from './encode-evidence.ts';
export { parseEvidence, parseSeals } from './parse-evidence.ts';
export {
  encodeEvidenceRevisions,
  EVIDENCE_REVISIONS_PATH,
  evidencePath,
  evidenceRevision,
  findEvidenceRevision,
  parseEvidencePath,
  revisedEvidenceFolder,
  revisedEvidencePath,
} from './evidence-path.ts';
export { GovernanceReplay } from './governance-replay.ts';
export { readGovernanceSeen, type GovernanceSeen } from './governance-seen.ts';
export { IndexCheck } from './index-check.ts';
export { LogCheck, type CheckedRow } from './log-check.ts';
export { readLogEvent, type LogEvent } from './log-event.ts';
export { rangeFromTiles, TileBuilder, type Tile } from './tile-builder.ts';
export { LOG_KEY_PURPOSES, LogKeyHistory, readKeyEvent, type KeyEvent, type LogKeyPurpose } from './log-keys.ts';
export { refuseOtherRoot, verifyCheckpoint } from './verify-checkpoint.ts';
export { checkReceipt, type SealedEntry } from './check-receipt.ts';
export { readGenesis, verifyRecord, type Genesis } from './genesis.ts';
export { AdmissionReplay, type ReplayReport } from './replay.ts';
