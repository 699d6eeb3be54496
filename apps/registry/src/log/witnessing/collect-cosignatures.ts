import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { Fault } from '@margo-trust/fault';
import { encodeNote, isQuorum, parseNote, type NoteSignature, type PolicyWitness } from '@margo-trust/tlog';
import { Clock } from '../../clock.ts';
import { Config } from '../../config.ts';
import { Db } from '../../db/db.ts';
import { Metrics } from '../../http/metrics.ts';
import { askToCosign, WitnessError } from './ask-witness.ts';
import { CheckpointStore, type SignedCheckpoint } from './checkpoint.store.ts';
import { HeadSigner } from '../head-signer.ts';
import { LogIdentity } from '../log-identity.ts';
import { LogLife } from '../log-life.ts';
import { LogReader } from '../log.reader.ts';
import { LogSteps } from '../log-steps.ts';
import { RollbackLatch } from '../rollback/rollback-latch.ts';
import { WitnessQuorum } from './witness-quorum.ts';

/** How long a round waits for a quorum, and for whoever is slower once it has one. */
const ROUND_MS = 3_000;
const GRACE_MS = 300;
/** An idle log is cosigned again this often, so that the age of a cosignature says something. */
const REFRESH_MS = 60_000;
/** Who fails is left alone for one second, two, four … up to this. */
const MAX_PAUSE_MS = 15_000;

/** What this process knows of a witness; forgotten with it, since the witness tells it again. */
interface Acquaintance {
  cosignedSize: bigint;
  failures: number;
  askAgainAt: number;
  complaint: string | undefined;
}

/**
 * Has the newest committed head cosigned by the policy's witnesses (C2SP tlog-witness), and publishes it.
 *
 * One round at a time, in one process: the worker sees to that. With `closed`, a round without quorum leaves the former
 * checkpoint where it is; with `open`, it publishes what it has. A crash at any point leaves the former checkpoint, and
 * witnesses that know more than we remember say so.
 */
@Injectable()
export class CollectCosignatures implements OnModuleDestroy {
  private readonly acquaintances = new Map<string, Acquaintance>();
  private readonly logger = new Logger(CollectCosignatures.name);
  private readonly countAnswer: (labels: Record<'witness' | 'outcome', string>) => void;
  private readonly forget: (() => void) | undefined;

  constructor(
    private readonly reader: LogReader,
    private readonly signer: HeadSigner,
    private readonly store: CheckpointStore,
    private readonly quorum: WitnessQuorum,
    private readonly latch: RollbackLatch,
    private readonly identity: LogIdentity,
    private readonly config: Config,
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly steps: LogSteps,
    private readonly life: LogLife,
    metrics: Metrics,
  ) {
    const figure = { name: 'log_witness_answers_total', help: 'Answers of witnesses, by log, witness and outcome.' };
    this.countAnswer = metrics.counterOfLog({ ...figure, labelNames: ['witness', 'outcome'] }, identity.origin);
    this.forget = config.witnessing && metrics.gaugeOfLog(AGE, identity.origin, () => this.ageSeconds());
  }

  onModuleDestroy(): void {
    this.forget?.();
  }

  async isDue(): Promise<boolean> {
    if (!this.config.witnessing) return false;
    const [head, published] = await Promise.all([this.reader.findHead(), this.store.find(this.identity.logId)]);
    if (!head || (await this.life.findLastWord())) return false;
    if (!published || head.size > published.size || !published.hasQuorum) return true;
    return this.clock.now().getTime() - published.cosignedAt.getTime() >= REFRESH_MS;
  }

  async run(): Promise<void> {
    const { witnessing } = this.config;
    if (!witnessing) return;
    const head = await this.reader.loadHead();
    const signed = { ...head, note: await this.signer.signForAll(head) };
    const signatures = await this.collect(signed);
    const note = parseNote(signed.note);
    const cosigned = encodeNote({ ...note, signatures: [...note.signatures, ...signatures] });
    const { hasQuorum } = this.quorum.judge(cosigned);
    if (!hasQuorum && witnessing.mode === 'closed') throw new Error(`No quorum: ${this.complaints()}`);
    const checkpoint = { ...signed, note: cosigned, hasQuorum, cosignedAt: this.clock.now() };
    await this.db.transaction(async (tx) => {
      await this.store.publish(tx, this.identity.logId, checkpoint);
      await this.steps.reached('checkpoint stored');
    });
    await this.steps.reached('checkpoint committed');
  }

  /** For /readyz: how old the newest quorum is, and which witnesses fail in this process. */
  async describe(): Promise<Record<string, string> | undefined> {
    if (!this.config.witnessing) return undefined;
    const published = await this.store.find(this.identity.logId);
    const failing = [...this.acquaintances].flatMap(([name, { complaint }]) => (complaint ? [[name, complaint]] : []));
    return {
      checkpoint: published
        ? `${published.size} entries, cosigned ${published.cosignedAt.toISOString()}${published.hasQuorum ? '' : ', no quorum'}`
        : 'none yet',
      ...(Object.fromEntries(failing) as Record<string, string>),
    };
  }

  /** Returns at the end of the round, or a little after the quorum. Who is late will say next time that it has cosigned. */
  private async collect(signed: SignedCheckpoint): Promise<NoteSignature[]> {
    const { policy } = this.config.witnessing ?? {};
    if (!policy) return [];
    const ending = new AbortController();
    const cosigners = new Set<string>();
    const signatures: NoteSignature[] = [];
    let reached = (): void => undefined;
    const hasQuorum = new Promise<void>((resolve) => (reached = resolve));
    const asked = policy.witnesses.map(async (witness) => {
      const found = await this.ask(witness, signed, ending.signal);
      if (ending.signal.aborted || found.length === 0) return;
      cosigners.add(witness.name);
      signatures.push(...found);
      if (isQuorum(policy, cosigners)) reached();
    });
    const all = Promise.all(asked);
    await Promise.race([all, hasQuorum.then(() => pause(GRACE_MS, undefined, { signal: ending.signal }))]);
    ending.abort();
    await all;
    return signatures;
  }

  /** The cosignatures of this witness, checked; none if it failed or is left alone for now. */
  private async ask(witness: PolicyWitness, signed: SignedCheckpoint, ending: AbortSignal): Promise<NoteSignature[]> {
    const known = this.acquaintance(witness.name);
    if (this.clock.now().getTime() < known.askAgainAt) return [];
    try {
      const signal = AbortSignal.any([ending, AbortSignal.timeout(ROUND_MS)]);
      const signatures = await this.persuade(witness, signed, known, signal);
      Object.assign(known, { cosignedSize: signed.size, failures: 0, askAgainAt: 0, complaint: undefined });
      this.countAnswer({ witness: witness.name, outcome: 'cosigned' });
      return signatures;
    } catch (error) {
      if (!(error instanceof WitnessError) && !(error instanceof Fault)) throw error;
      if (!ending.aborted) this.noteFailure(witness, known, error);
      return [];
    }
  }

  private async persuade(
    { key, url = '' }: PolicyWitness,
    signed: SignedCheckpoint,
    known: Acquaintance,
    signal: AbortSignal,
  ): Promise<NoteSignature[]> {
    for (let attempt = 0; attempt < 2; attempt++) {
      const oldSize = known.cosignedSize;
      const isSame = oldSize === 0n || oldSize === signed.size;
      const path = isSame ? [] : await this.reader.consistencyPath(oldSize, signed.size);
      const answer = await askToCosign(url, { oldSize, path, checkpoint: signed.note }, signal);
      if ('signatures' in answer) return this.verified(answer.signatures, key, signed);
      if (answer.cosignedSize > signed.size) await this.noteAhead(answer.cosignedSize);
      known.cosignedSize = answer.cosignedSize;
    }
    throw new WitnessError('changed its mind about what it has cosigned', 409);
  }

  /** The signatures of this key; anything else in the answer is ignored, as the specification demands. */
  private verified(
    signatures: readonly NoteSignature[],
    key: PolicyWitness['key'],
    { note }: SignedCheckpoint,
  ): NoteSignature[] {
    const own = signatures.filter(({ name, keyHash }) => name === key.name && Buffer.from(key.keyHash).equals(keyHash));
    const signed = parseNote(note);
    const { cosigners } = this.quorum.judge(encodeNote({ ...signed, signatures: [...signed.signatures, ...own] }));
    if (own.length === 0 || cosigners.length === 0) throw new WitnessError('answered without its own cosignature');
    return own.slice(0, 1);
  }

  /** Somebody has seen more of this log than the database holds: the latch finds out whether that is so. */
  private async noteAhead(size: bigint): Promise<never> {
    await this.latch.check();
    throw new WitnessError(`has cosigned ${size} entries, more than this log had when it was asked`, 409);
  }

  private noteFailure({ name }: PolicyWitness, known: Acquaintance, error: WitnessError | Fault): void {
    known.failures++;
    known.complaint = error.message;
    const wait = Math.min(1_000 * 2 ** (known.failures - 1), MAX_PAUSE_MS);
    known.askAgainAt = this.clock.now().getTime() + wait;
    const outcome = error instanceof WitnessError ? String(error.status ?? 'unreachable') : 'malformed';
    this.countAnswer({ witness: name, outcome });
    if (known.failures === 1 || known.failures % 60 === 0) {
      this.logger.warn({ msg: `The witness ${name} ${error.message} (${known.failures} in a row)`, err: error });
    }
  }

  private acquaintance(name: string): Acquaintance {
    const known = this.acquaintances.get(name) ?? {
      cosignedSize: 0n,
      failures: 0,
      askAgainAt: 0,
      complaint: undefined,
    };
    this.acquaintances.set(name, known);
    return known;
  }

  private complaints(): string {
    const failing = [...this.acquaintances].flatMap(([name, { complaint }]) =>
      complaint ? `${name} ${complaint}` : [],
    );
    return failing.length === 0 ? 'the witnesses that answered are not enough.' : `${failing.join('; ')}.`;
  }

  private async ageSeconds(): Promise<number> {
    const published = await this.store.find(this.identity.logId).catch(() => undefined);
    const isOver = await this.life.findLastWord().catch(() => undefined);
    const at = published && !isOver ? published.cosignedAt.getTime() : Number.NaN;
    return (this.clock.now().getTime() - at) / 1_000;
  }
}

const AGE = {
  name: 'log_cosigned_checkpoint_age_seconds',
  help: 'Since the published checkpoint was cosigned; NaN before the first, and of a log that is retired.',
};
