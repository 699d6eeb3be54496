import { Injectable } from '@nestjs/common';
import { areEqualBytes } from '@margo-trust/bytes';
import { Clock } from '../../clock.ts';
import { Config } from '../../config.ts';
import { Db } from '../../db/db.ts';
import { CheckpointStore, type CosignedCheckpoint, type SignedCheckpoint } from './checkpoint.store.ts';
import { HeadSigner } from '../head-signer.ts';
import { LogFault } from '../log.fault.ts';
import { LogKeys } from '../keys/log-keys.ts';
import { LogIdentity } from '../log-identity.ts';
import { LogLife } from '../log-life.ts';
import { LogReader } from '../log.reader.ts';
import type { CommittedHead } from '../log.store.ts';
import { WitnessQuorum } from './witness-quorum.ts';

/**
 * The checkpoint that everybody outside is shown: in the log's public files, in proofs and in the trust root.
 *
 * Without witnesses it is the newest head, signed on demand; when that may not be signed, or not soon, the last one that this
 * process has signed, which is older and no less true. With witnesses it is the one that the worker has published
 * (see {@link CollectCosignatures}): the same for every process, and never smaller than before. Receipts do not wait for it.
 * A retired log shows the one that it ended with, and nobody signs again.
 */
@Injectable()
export class PublishedCheckpoint {
  /** The note that was last found to be in order. */
  private judged: { note: Uint8Array; hasQuorum: boolean } | undefined;
  private last: SignedCheckpoint | undefined;

  constructor(
    private readonly reader: LogReader,
    private readonly signer: HeadSigner,
    private readonly store: CheckpointStore,
    private readonly quorum: WitnessQuorum,
    private readonly identity: LogIdentity,
    private readonly keys: LogKeys,
    private readonly config: Config,
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly life: LogLife,
  ) {}

  /** Throws LogFault `log/not-witnessed` when a quorum is asked for (`WITNESS_MODE=closed`) and none has cosigned yet. */
  async load(): Promise<SignedCheckpoint> {
    const last = await this.life.findLastWord();
    if (last) return last.checkpoint;
    const { witnessing } = this.config;
    if (!witnessing) return this.newestOrLast();
    const stored = await this.store.find(this.identity.logId);
    if (stored) await this.keys.cover(stored);
    if (stored && (this.judge(stored) || witnessing.mode === 'open')) return stored;
    if (witnessing.mode === 'closed') {
      throw new LogFault('log/not-witnessed', 'No checkpoint of this log has been cosigned by enough witnesses yet.');
    }
    const newest = { ...(await this.signNewest()), hasQuorum: false, cosignedAt: this.clock.now() };
    return this.db.transaction((tx) => this.store.publish(tx, this.identity.logId, newest));
  }

  /** Whether outsiders are shown what witnesses have cosigned, as `WITNESS_MODE` has it. False without witnesses. */
  async isWitnessed(): Promise<boolean> {
    const { witnessing } = this.config;
    const stored = witnessing && (await this.store.find(this.identity.logId));
    return stored !== undefined && (witnessing?.mode === 'open' || this.judge(stored));
  }

  /**
   * What the trust root carries: what outsiders are shown, or the given committed head before witnesses have cosigned anything. They
   * must not keep a revocation from devices.
   */
  async forTrustRoot(head: CommittedHead): Promise<SignedCheckpoint> {
    if (await this.isWitnessed()) return this.load();
    return { ...head, note: await this.signer.signForAll(head) };
  }

  private async newestOrLast(): Promise<SignedCheckpoint> {
    const newest = this.signNewest();
    const { last } = this;
    return last === undefined ? newest : Promise.race([newest.catch(() => last), patience(last)]);
  }

  private async signNewest(): Promise<SignedCheckpoint> {
    const head = await this.reader.loadHead();
    const signed = { ...head, note: await this.signer.signForAll(head) };
    if (signed.size >= (this.last?.size ?? 0n)) this.last = signed;
    return signed;
  }

  /** Whether it has the quorum of today's policy. One that our own key did not sign, as a spoiled row, is an error. */
  private judge({ note, size, root }: CosignedCheckpoint): boolean {
    if (this.judged && areEqualBytes(this.judged.note, note)) return this.judged.hasQuorum;
    const { checkpoint, hasQuorum } = this.quorum.judge(note);
    if (checkpoint.size !== size || !areEqualBytes(checkpoint.root, root)) {
      throw new Error('The published checkpoint is not what its row says.');
    }
    this.judged = { note, hasQuorum };
    return hasQuorum;
  }
}

const PATIENCE_MS = 1_000;

function patience<T>(value: T): Promise<T> {
  return new Promise((resolve) => setTimeout(() => resolve(value), PATIENCE_MS).unref());
}
