import { Injectable } from '@nestjs/common';
import { LOG_KEY_PURPOSES, type LogKeyPurpose } from '@margo-trust/auditor';
import { coseKeyThumbprint } from '@margo-trust/cose';
import { encodeHex } from '@margo-trust/bytes';
import { parsePublicKey } from '@margo-trust/crypto';
import type { MlDsa44Key } from '@margo-trust/crypto/ml-dsa';
import {
  encodePolicy,
  encodeVerifierKey,
  isInWindow,
  verifierKeyFromSpki,
  verifierKeySpki,
  ML_DSA_44_COSIGNATURE,
  type CheckpointKey,
  type VerifierKey,
} from '@margo-trust/tlog';
import { Config, type Witnessing } from '../config.ts';
import { KeyRing } from '../keys/key-ring.ts';
import type { Signer } from '../keys/signer.ts';
import type { OnlineSlot } from '../keys/slots.ts';
import { type LogKey, LogKeySet } from './keys/log-key.ts';
import { LogFault } from './log.fault.ts';
import { ServedLog } from './served-log.ts';

/** A signing key and the name that verifiers look it up by. */
export interface NamedSigner {
  readonly signer: Signer;
  /** RFC 9679 thumbprint of the COSE key. */
  readonly kid: Uint8Array;
}

/**
 * Who the log is and what it signs with. One purpose, one key at a time: none signs for another, and which one signs for
 * which tree the log's own records say. {@link LogKeys} sees to it that this knows of them in time.
 */
@Injectable()
export class LogIdentity {
  /** The log's row. */
  readonly logId: number;
  /** Bare host name: Sigstore clients take the host of `baseUrl` as origin and refuse one with a path. */
  readonly origin: string;
  /** Where its public files are: `/log/` or `/logs/<name>/`. */
  readonly path: string;
  /** `iss` of receipts and of the registry's own statements. */
  readonly issuer: string;

  /** Origin of the log that says who may publish; absent in that one. */
  readonly governance: string | undefined;

  private readonly witnessing: Witnessing | undefined;
  /** Where the log's own keys are; that of records is the registry's. */
  private readonly ring: KeyRing;
  private learned: LogKeySet | undefined;

  constructor(
    config: Config,
    private readonly keys: KeyRing,
    log: ServedLog,
  ) {
    this.logId = log.id;
    this.origin = log.origin;
    this.path = log.path;
    this.issuer = `https://${config.domain}`;
    this.governance = log.isFirst ? undefined : ServedLog.first(config.domain).origin;
    this.witnessing = config.witnessing;
    this.ring = log.name === undefined ? keys : keys.within(`logs/${log.name}`);
  }

  /** Takes the log's keys as its table has them. */
  learn(keys: readonly LogKey[]): void {
    this.learned = new LogKeySet(keys);
  }

  /** The log's keys; before it is founded, those that it will be opened with. */
  get keySet(): LogKeySet {
    return (this.learned ??= new LogKeySet(
      Array.from(this.firstKeys(), ([purpose, spki]) => ({ purpose, spki, fromSize: 0n, since: new Date(0) })),
    ));
  }

  /** What the ring has for opening a log, as SubjectPublicKeyInfo. The ML-DSA-44 key may be missing. */
  firstKeys(): ReadonlyMap<LogKeyPurpose, Uint8Array> {
    const spkis = new Map<LogKeyPurpose, Uint8Array>();
    for (const purpose of SIGNER_PURPOSES) spkis.set(purpose, this.ringOf(purpose).load(SLOTS[purpose]).spki);
    const mlDsa44 = this.ring.firstMlDsa44();
    if (mlDsa44) spkis.set('checkpoint-ml-dsa-44', mlDsa44Spki(mlDsa44));
    return spkis;
  }

  /** The key that waits to follow, in the slot's second file, as SubjectPublicKeyInfo. */
  findNext(purpose: LogKeyPurpose): Uint8Array | undefined {
    if (purpose !== 'checkpoint-ml-dsa-44') return this.ringOf(purpose).findNext(SLOTS[purpose])?.spki;
    const next = this.ring.nextMlDsa44();
    return next && mlDsa44Spki(next);
  }

  /** Ed25519: checkpoints from now on (C2SP signed note). */
  get checkpoint(): Signer {
    return this.signer(this.keySet.current('checkpoint'));
  }

  /**
   * What signs a checkpoint of that size: the key that speaks for it, and before the first tree that its successor speaks for
   * the successor too, so that whoever knows the one learns the other.
   */
  checkpointSigners(size: bigint): Signer[] {
    return this.keySet.signing('checkpoint', size).map((key) => this.signer(key));
  }

  /**
   * ML-DSA-44: what signs a checkpoint of that size beside the Ed25519 keys, by the same rule. None if the log had no such key then.
   * Throws LogFault `log/key-missing`.
   */
  mlDsa44Signers(size: bigint): MlDsa44Key[] {
    return this.keySet.signing('checkpoint-ml-dsa-44', size).map((key) => this.mlDsa44(key) ?? this.refuseMissing(key));
  }

  /** What checkpoints verify with: Ed25519 first. Whoever knows but one of them ignores the other's line. */
  get checkpointKeys(): VerifierKey[] {
    return [...this.checkpointWindows, ...this.mlDsa44Windows]
      .filter(({ untilSize }) => untilSize === undefined)
      .map(({ key }) => key);
  }

  /** Those that checkpoints of one size verify with. */
  checkpointKeysAt(size: bigint): VerifierKey[] {
    return [...this.checkpointWindows, ...this.mlDsa44Windows]
      .filter((window) => isInWindow(window, size))
      .map(({ key }) => key);
  }

  /** Every Ed25519 key that checkpoints were ever signed with, each with the tree sizes that it speaks for, oldest first. */
  get checkpointWindows(): CheckpointKey[] {
    return this.keySet.of('checkpoint').map((key) => this.window(key));
  }

  /** The same of ML-DSA-44 keys. */
  get mlDsa44Windows(): CheckpointKey[] {
    return this.keySet.of('checkpoint-ml-dsa-44').map((key) => this.window(key));
  }

  /** Whether the ring has an ML-DSA-44 key, and the log signs with none. */
  get hasIdleMlDsa44(): boolean {
    return this.keySet.of('checkpoint-ml-dsa-44').length === 0 && this.ring.firstMlDsa44() !== undefined;
  }

  /** The verifier key that the log began with: its name, for whoever keeps something by it. */
  get firstVerifierKey(): string {
    const [first] = this.keySet.of('checkpoint');
    if (!first) throw new Error('The log has no checkpoint key.');
    return encodeVerifierKey(this.origin, ed25519Raw(first.spki));
  }

  /** What outsiders may hold a checkpoint against, as a C2SP tlog-policy: this log, its witnesses, and how many are enough. */
  get witnessPolicy(): string | undefined {
    if (!this.witnessing) return undefined;
    const { witnesses, ...policy } = this.witnessing.policy;
    const named = witnesses.map(({ name, key }) => ({ name, key })); // where we ask them is nobody's business
    const logs = this.checkpointKeys.map((key) => ({ key }));
    return new TextDecoder().decode(encodePolicy({ ...policy, logs, witnesses: named }));
  }

  /** ES256: COSE receipts from now on. */
  get receipt(): NamedSigner {
    return this.named(this.keySet.current('receipt'));
  }

  /** ES256: COSE receipts over a tree of that size. */
  receiptAt(size: bigint): NamedSigner {
    return this.named(this.keySet.at('receipt', size));
  }

  /** ES256: promises that a certificate is logged (RFC 6962), in DER. */
  get sct(): Signer {
    return this.signer(this.keySet.current('sct'));
  }

  /** The key of promises that are dated then. */
  sctAt(time: Date): Signer {
    return this.signer(this.keySet.then('sct', time));
  }

  /** ES256: the registry's own statements from now on. */
  get record(): NamedSigner {
    return this.named(this.keySet.current('record'));
  }

  /** ES256: the registry's own statement that will be the last leaf of a tree of that size. */
  recordAt(size: bigint): NamedSigner {
    return this.named(this.keySet.at('record', size));
  }

  /** Looks for keys in tokens that have come since. */
  async openTokens(): Promise<void> {
    for (const ring of new Set([this.keys, this.ring])) await ring.openTokens();
  }

  /** Whether this process has what it takes to sign from now on; the first purpose that it has no key for, if not. */
  findMissing(): LogKeyPurpose | undefined {
    return LOG_KEY_PURPOSES.find((purpose) => {
      if (purpose !== 'checkpoint-ml-dsa-44') return this.find(purpose, this.keySet.current(purpose)) === undefined;
      const current = this.keySet.findCurrent(purpose);
      return current !== undefined && this.mlDsa44(current) === undefined;
    });
  }

  private readonly names = new Map<string, NamedSigner>();

  private named(key: LogKey): NamedSigner {
    const id = encodeHex(key.spki);
    const known = this.names.get(id);
    if (known) return known;
    const named = { signer: this.signer(key), kid: coseKeyThumbprint(parsePublicKey(key.spki)) };
    this.names.set(id, named);
    return named;
  }

  /** Throws LogFault `log/key-missing`. */
  private signer(key: LogKey): Signer {
    const { purpose } = key;
    if (purpose === 'checkpoint-ml-dsa-44') throw new Error('ML-DSA-44 keys are no signers.');
    return this.find(purpose, key) ?? this.refuseMissing(key);
  }

  private find(purpose: SignerPurpose, { spki }: LogKey): Signer | undefined {
    return this.ringOf(purpose).findByPublicKey(SLOTS[purpose], spki);
  }

  private mlDsa44({ spki }: LogKey): MlDsa44Key | undefined {
    return this.ring.findMlDsa44(verifierKeyFromSpki(this.origin, spki).publicKey);
  }

  private refuseMissing({ purpose }: LogKey): never {
    throw new LogFault('log/key-missing', `This process does not have the ${purpose} key that the log signs with.`);
  }

  private window({ spki, fromSize, untilSize }: LogKey): CheckpointKey {
    const key = verifierKeyFromSpki(this.origin, spki);
    return { key, fromSize, ...(untilSize !== undefined && { untilSize }) };
  }

  private ringOf(purpose: LogKeyPurpose): KeyRing {
    return purpose === 'record' ? this.keys : this.ring;
  }
}

/** Purposes of keys that are signers; the ML-DSA-44 key is of another make. */
type SignerPurpose = Exclude<LogKeyPurpose, 'checkpoint-ml-dsa-44'>;
const SIGNER_PURPOSES: readonly SignerPurpose[] = ['checkpoint', 'receipt', 'sct', 'record'];

const SLOTS = {
  checkpoint: 'log-checkpoint',
  receipt: 'log-receipt',
  sct: 'log-sct',
  record: 'record',
} as const satisfies Record<SignerPurpose, OnlineSlot>;

function mlDsa44Spki({ publicKey }: MlDsa44Key): Uint8Array {
  return verifierKeySpki({ type: ML_DSA_44_COSIGNATURE, publicKey });
}

/** The 32 key bytes at the end of an Ed25519 SubjectPublicKeyInfo (RFC 8410 §4). */
export function ed25519Raw(spki: Uint8Array): Uint8Array {
  if (spki.length !== 44) throw new Error('The checkpoint key is not an Ed25519 key.');
  return spki.slice(12);
}
