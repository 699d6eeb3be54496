import { Injectable } from '@nestjs/common';
import { Db } from '../../db/db.ts';
import { HeadSigner } from '../head-signer.ts';
import { LogIdentity } from '../log-identity.ts';
import { LogReader } from '../log.reader.ts';
import { LogKeyStore } from './log-key.store.ts';

/**
 * Keeps, for every checkpoint key that replaced another, the checkpoint that both signed: with it, whoever knows the one key
 * learns the other. It can be made as long as both keys are in the ring, so a crash after the record of the change loses
 * nothing; once it is kept the old key may go.
 */
@Injectable()
export class KeepTransitions {
  constructor(
    private readonly db: Db,
    private readonly store: LogKeyStore,
    private readonly reader: LogReader,
    private readonly signer: HeadSigner,
    private readonly identity: LogIdentity,
  ) {}

  /** Cheap enough to be asked every second. */
  async isDue(): Promise<boolean> {
    return (await this.store.findUnproven(this.identity.logId)).length > 0;
  }

  async run(): Promise<void> {
    const { logId } = this.identity;
    for (const key of await this.store.findUnproven(logId)) {
      const head = await this.reader.findSeal(key.fromSize - 1n);
      if (!head) throw new Error(`The log has no head of ${key.fromSize - 1n} entries, at which a key was replaced.`);
      const isEd25519 = key.purpose === 'checkpoint';
      const note = await (isEd25519 ? this.signer.signCheckpoint(head) : this.signer.signWhole(head));
      await this.db.transaction((tx) => this.store.keepTransition(tx, logId, key, note));
    }
  }
}
