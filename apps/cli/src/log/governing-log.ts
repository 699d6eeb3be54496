import { GovernanceReplay, LogCheck, type CheckedRow, type GovernanceSeen } from '@margo-trust/auditor';
import { parseJson } from '@margo-trust/bytes';
import { loadCheckpoint, type AuditedLog, type SignedCheckpoint } from './audited-log.ts';
import type { LogFiles } from './log-files.ts';
import { walkLog } from './walk-log.ts';

/** The first log of a registry, read beside another one as far as that rests on it. */
export class GoverningLog {
  readonly governance: GovernanceReplay;
  private readonly check: LogCheck;
  private readonly checkpoint: SignedCheckpoint;
  private readonly rows: AsyncGenerator<CheckedRow>;

  private constructor(log: AuditedLog, checkpoint: SignedCheckpoint) {
    this.governance = new GovernanceReplay(log.key);
    this.check = new LogCheck(log.key.name);
    this.checkpoint = checkpoint;
    this.rows = this.walk(log.files);
  }

  static async open(log: AuditedLog): Promise<GoverningLog> {
    return new GoverningLog(log, await loadCheckpoint(log));
  }

  /** Goes on to the place that an entry rests on, if the log goes that far; who replays the entry sees whether it does. */
  async advanceTo({ size }: GovernanceSeen): Promise<void> {
    while (this.governance.size < size && (await this.step())) continue;
  }

  /** Reads the rest: only then is it certain that all that was read is what the log has signed. */
  async conclude(): Promise<void> {
    while (await this.step()) continue;
    this.check.conclude(this.checkpoint);
    this.governance.replay.conclude();
  }

  private async step(): Promise<boolean> {
    const { value, done } = await this.rows.next();
    if (done === true) return false;
    this.governance.add(value);
    return true;
  }

  private async *walk(files: LogFiles): AsyncGenerator<CheckedRow> {
    for await (const { evidence } of walkLog(files, 0n, this.checkpoint.size)) yield* this.check.add(evidence);
  }
}

/** Whether the log says that another one decides who may publish in it. The replay finds out if that is true. */
export async function isGoverned(files: LogFiles): Promise<boolean> {
  const bytes = await files.load('log.json');
  const description =
    bytes && (parseJson(bytes, { maxBytes: 1 << 20, maxDepth: 8 }) as { governance?: unknown } | null);
  return typeof description?.governance === 'string';
}
