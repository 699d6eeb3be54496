import { AuditorFault, IndexCheck, LogCheck } from '@margo-trust/auditor';
import type { AuditedLog, SignedCheckpoint } from './audited-log.ts';
import { walkLog } from './walk-log.ts';

/**
 * Recomputes the index for complete answers from the log's first entry on, and compares it with every root of it on record, as far
 * as the log has come. A connection that breaks costs nothing: the next step goes on where this one was.
 */
export class IndexWatch {
  private readonly log: AuditedLog;
  private readonly check: LogCheck;
  private readonly index = new IndexCheck();
  /** What was found wrong stays wrong. */
  private found: AuditorFault | undefined;

  constructor(log: AuditedLog) {
    this.log = log;
    this.check = new LogCheck(log.key.name);
  }

  /** How many recorded roots held so far, and how many entries the last of them covers. */
  get report(): { readonly roots: number; readonly covered: bigint } {
    return this.index.report;
  }

  /** Goes on to a checkpoint that was found in order. Throws the first AuditorFault, and the same one from then on. */
  async step(
    checkpoint: SignedCheckpoint,
    onProgress: (entries: bigint, of: bigint) => void = () => undefined,
  ): Promise<void> {
    if (this.found) throw this.found;
    try {
      for await (const { evidence } of walkLog(this.log.files, this.check.size, checkpoint.size)) {
        this.index.add(this.check.add(evidence));
        onProgress(this.check.size, checkpoint.size);
      }
      this.check.conclude(checkpoint);
    } catch (error) {
      if (error instanceof AuditorFault) this.found = error;
      throw error;
    }
  }
}
