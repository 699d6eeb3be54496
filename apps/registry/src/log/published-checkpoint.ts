import { Injectable } from '@nestjs/common';
import { HeadSigner } from './head-signer.ts';
import { LogReader } from './log.reader.ts';
import type { CommittedHead } from './log.store.ts';

/** A head and the signed note over it (C2SP tlog-checkpoint). */
export interface SignedCheckpoint extends CommittedHead {
  readonly note: Uint8Array;
}

/** The checkpoint that everybody outside is shown: in the log's public files, in proofs and in the trust root. */
@Injectable()
export class PublishedCheckpoint {
  constructor(
    private readonly reader: LogReader,
    private readonly signer: HeadSigner,
  ) {}

  async load(): Promise<SignedCheckpoint> {
    const head = await this.reader.loadHead();
    return { ...head, note: await this.signer.signCheckpoint(head) };
  }
}
