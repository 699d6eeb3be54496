export { AuditorFault, type AuditorFaultCode } from './fault.ts';
export type { EvidenceKind, EvidenceRow, LogEvidence, Seal } from './evidence.ts';
export { encodeEvidence, encodeSeals, EvidenceEncoder } from './encode-evidence.ts';
export { parseEvidence, parseSeals } from './parse-evidence.ts';
export { evidencePath, parseEvidencePath } from './evidence-path.ts';
