import { Injectable } from '@nestjs/common';
import { parseCheckpoint, parseNote } from '@margo-trust/tlog';
import { parseSignedRoot } from '@margo-trust/receipt';
import { LogsReader, type LogRecord } from './governance/logs.reader.ts';
import { FIRST_LOG, ServedLog } from './served-log.ts';
import type { ReceiptHead } from './head-signer.ts';
import type { SignedCheckpoint } from './witnessing/checkpoint.store.ts';

/** What a retired log shows for ever, without a key. */
export interface LastWord {
  readonly checkpoint: SignedCheckpoint;
  /** What the receipts of the final size have in common. */
  readonly head: ReceiptHead;
}

/** Whether the served log still takes entries, and still signs. The first one always does. */
@Injectable()
export class LogLife {
  private lastWord: LastWord | undefined;

  constructor(
    private readonly reader: LogsReader,
    private readonly log: ServedLog,
  ) {}

  /** The log's row; nothing before the log is opened. */
  find(): Promise<LogRecord | undefined> {
    return this.reader.find(this.log.id);
  }

  /** Nothing for a log that is not retired. That is for good, so it is asked no more then. */
  async findLastWord(): Promise<LastWord | undefined> {
    if (this.log.id === FIRST_LOG) return undefined;
    return (this.lastWord ??= await this.loadLastWord());
  }

  private async loadLastWord(): Promise<LastWord | undefined> {
    const final = await this.reader.findFinal(this.log.id);
    if (!final) return undefined;
    const { size, root } = parseCheckpoint(parseNote(final.checkpoint).text);
    const { cose, signedSize } = parseSignedRoot(final.signedRoot);
    if (signedSize !== size) throw new Error(`The final checkpoint of ${this.log.origin} is not of its final head.`);
    return {
      checkpoint: { size, root, committedAt: final.committedAt, note: final.checkpoint },
      head: { size, root, protectedBytes: cose.protectedBytes, signature: cose.signature },
    };
  }
}
