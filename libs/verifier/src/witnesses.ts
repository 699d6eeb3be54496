import { areEqualBytes, encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { hashLeaf, rootFromInclusion } from '@margo-trust/merkle';
import type { Statement } from '@margo-trust/statement';
import {
  isInWindow,
  isQuorum,
  ML_DSA_44_COSIGNATURE,
  parseCheckpoint,
  parseNote,
  parseTlogProof,
  verifyWitnessed,
  type Checkpoint,
  type Policy,
  type TlogProof,
  type VerifierKey,
  type VerifyMlDsa44,
} from '@margo-trust/tlog';
import { VerifyFault } from './fault.ts';
import type { TrustedLog, TrustRoot, WitnessDemand } from './trust-root.ts';
import type { LogPlace } from './trusted-time.ts';

/** What witnesses are known to have seen of an entry. */
export interface Witnessed {
  /** Names in the trust root's policy, in its order. */
  readonly by: readonly string[];
  /** How many witnesses the policy names. */
  readonly of: number;
  readonly hasQuorum: boolean;
}

export interface WitnessOptions {
  /** Demanded by whoever asks for the verdict. It can only add to what the trust root demands. */
  readonly witnesses?: WitnessDemand;
  /** Lent from crypto/ml-dsa. Without it cosignatures of ML-DSA-44 keys do not count; those of Ed25519 keys do. */
  readonly verifyMlDsa44?: VerifyMlDsa44;
}

/** A checkpoint that its log signed, and who cosigned it. */
interface JudgedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly by: readonly string[];
}

/**
 * Holds entries against what witnesses have cosigned (C2SP tlog-policy): the checkpoint in the trust root, and C2SP tlog-proofs that
 * travel with the evidence. What proves nothing is passed over: it cannot make an entry less witnessed than it is.
 */
export class Witnesses {
  private readonly trust: TrustRoot;
  private readonly options: WitnessOptions;
  /** By leaf index: nothing else in a proof says what it is about. */
  private readonly proofs = new Map<bigint, TlogProof[]>();
  /** By SHA-256 of the note: many proofs share one checkpoint. */
  private readonly judged = new Map<string, JudgedCheckpoint | undefined>();

  constructor(trust: TrustRoot, options: WitnessOptions) {
    this.trust = trust;
    this.options = options;
  }

  /** Whether a verdict under this trust root has anything to say about witnesses. */
  get areAsked(): boolean {
    return this.options.witnesses === 'required' || this.trust.logs.some(({ witnessing }) => witnessing !== undefined);
  }

  /** Keeps a tlog-proof for the entry that it is about; of one entry eight at most. What is no proof is passed over. */
  add(bytes: Uint8Array): void {
    const proof = attempt(() => (bytes.length > MAX_PROOF_BYTES ? undefined : parseTlogProof(bytes)));
    if (!proof) return;
    const known = this.proofs.get(proof.index) ?? [];
    if (known.length < MAX_PROOFS) this.proofs.set(proof.index, [...known, proof]);
  }

  /**
   * Who has seen the entry of a statement, whose receipts led to `places` in one log; undefined where nobody asks.
   *
   * `verify/forked`: the log has signed two trees of one size, whoever witnessed either. `verify/not-witnessed`: a quorum is
   * demanded, and nothing at hand shows one.
   */
  judge(statement: Statement, places: readonly LogPlace[]): Witnessed | undefined {
    const [place] = places;
    const log = this.trust.logs.find(({ origin }) => origin === place?.origin);
    if (!place || !log) return undefined;
    const seen = this.checkpointsOver(statement, place, log);
    refuseFork([...places, ...seen.all.map(({ checkpoint }) => checkpoint)]);

    const isDemanded = log.witnessing?.demand === 'required' || this.options.witnesses === 'required';
    if (!log.witnessing) {
      if (!isDemanded) return undefined;
      throw new VerifyFault('verify/not-witnessed', `The trust root names no witnesses of ${log.origin}.`);
    }
    const { policy } = log.witnessing;
    const covering = [
      ...seen.proven,
      ...seen.all.filter(({ checkpoint }) => places.some((known) => isSameTree(known, checkpoint))),
    ];
    const best = covering.map((found) => count(found, policy)).reduce(better, count(undefined, policy));
    if (best.hasQuorum || !isDemanded) return best;
    throw new VerifyFault(
      'verify/not-witnessed',
      `Nothing shows that enough witnesses have seen the entry: ${best.by.length} of ${best.of} have.`,
    );
  }

  /** Every checkpoint of the log at hand, and those that are proven to hold the entry. */
  private checkpointsOver(
    { entry, stripped }: Statement,
    { index }: LogPlace,
    log: TrustedLog,
  ): { all: JudgedCheckpoint[]; proven: JudgedCheckpoint[] } {
    const leaf = hashLeaf(log.leafFormat === 'cose-digest' ? entry : stripped);
    const all: JudgedCheckpoint[] = [];
    const proven: JudgedCheckpoint[] = [];
    const own = this.trust.checkpoint && this.judgeNote(this.trust.checkpoint, log);
    if (own) all.push(own);
    for (const { checkpoint: note, path } of this.proofs.get(index) ?? []) {
      const found = this.judgeNote(note, log);
      if (!found) continue;
      const root = attempt(() => rootFromInclusion(leaf, index, found.checkpoint.size, path));
      all.push(found);
      if (root && areEqualBytes(root, found.checkpoint.root)) proven.push(found);
    }
    return { all, proven };
  }

  /** Undefined unless the log signed it, and every signature of a witness in the policy is right. */
  private judgeNote(note: Uint8Array, log: TrustedLog): JudgedCheckpoint | undefined {
    const key = `${log.origin} ${encodeHex(sha256(note))}`;
    if (this.judged.has(key)) return this.judged.get(key);
    const { verifyMlDsa44 } = this.options;
    const canCheck = ({ type }: { type: number }) => verifyMlDsa44 !== undefined || type !== ML_DSA_44_COSIGNATURE;
    const witnesses = (log.witnessing?.policy.witnesses ?? []).filter((witness) => canCheck(witness.key));
    const judged = attempt(() => {
      const logs = keysAt(log, parseCheckpoint(parseNote(note).text).size)
        .filter(canCheck)
        .map((known) => ({ key: known }));
      const policy = { logs, witnesses, groups: [], quorum: undefined };
      const { checkpoint, cosigners } = verifyWitnessed(note, policy, verifyMlDsa44);
      return { checkpoint, by: cosigners.map(({ name }) => name) };
    });
    this.judged.set(key, judged);
    return judged;
  }
}

/** What a checkpoint of that size verifies with: keys that were replaced do not speak for it any more. */
function keysAt({ checkpointHistory, mlDsa44History }: TrustedLog, size: bigint): VerifierKey[] {
  return [...checkpointHistory, ...mlDsa44History].filter((window) => isInWindow(window, size)).map(({ key }) => key);
}

interface Tree {
  readonly size: bigint;
  readonly root: Uint8Array;
}

/** Two trees of one size, both signed by the log: one of them is shown to somebody else. */
function refuseFork(trees: readonly Tree[]): void {
  const bySize = new Map<bigint, Tree>();
  for (const tree of trees) {
    const known = bySize.get(tree.size) ?? tree;
    if (!areEqualBytes(known.root, tree.root)) {
      throw new VerifyFault('verify/forked', `The log has signed two different trees of ${tree.size} entries.`);
    }
    bySize.set(tree.size, known);
  }
}

function isSameTree(a: Tree, b: Tree): boolean {
  return a.size === b.size && areEqualBytes(a.root, b.root);
}

function count(found: JudgedCheckpoint | undefined, policy: Policy): Witnessed {
  const by = found?.by ?? [];
  return { by, of: policy.witnesses.length, hasQuorum: found !== undefined && isQuorum(policy, by) };
}

function better(a: Witnessed, b: Witnessed): Witnessed {
  if (a.hasQuorum !== b.hasQuorum) return a.hasQuorum ? a : b;
  return b.by.length > a.by.length ? b : a;
}

/** Undefined where bytes of a stranger are not what they should be. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

const MAX_PROOF_BYTES = 256 << 10;
const MAX_PROOFS = 8;
