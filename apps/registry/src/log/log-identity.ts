import { Injectable } from '@nestjs/common';
import { coseKeyThumbprint } from '@margo-trust/cose';
import { parsePublicKey } from '@margo-trust/crypto';
import type { MlDsa44Key } from '@margo-trust/crypto/ml-dsa';
import {
  encodePolicy,
  encodeVerifierKey,
  ML_DSA_44_COSIGNATURE,
  parseVerifierKey,
  type VerifierKey,
} from '@margo-trust/tlog';
import { Config, type Witnessing } from '../config.ts';
import { KeyRing } from '../keys/key-ring.ts';
import type { Signer } from '../keys/signer.ts';
import type { OnlineSlot } from '../keys/slots.ts';

/** A signing key and the name that verifiers look it up by. */
export interface NamedSigner {
  readonly signer: Signer;
  /** RFC 9679 thumbprint of the COSE key. */
  readonly kid: Uint8Array;
}

/** Who the log is and what it signs with. One purpose, one key: none signs for another. */
@Injectable()
export class LogIdentity {
  /** The log's row. One log today; the tables are ready for more. */
  readonly logId: number = 1;
  /** Bare host name: Sigstore clients take the host of `baseUrl` as origin and refuse one with a path. */
  readonly origin: string;
  /** `iss` of receipts and of the registry's own statements. */
  readonly issuer: string;

  private readonly witnessing: Witnessing | undefined;

  constructor(
    config: Config,
    private readonly keys: KeyRing,
  ) {
    this.origin = `log.${config.domain}`;
    this.issuer = `https://${config.domain}`;
    this.witnessing = config.witnessing;
  }

  /** Ed25519: checkpoints (C2SP signed note). */
  get checkpoint(): Signer {
    return this.keys.load('log-checkpoint');
  }

  /** ML-DSA-44: checkpoints, beside the Ed25519 signature. Undefined if the log has no such key. */
  get postQuantum(): MlDsa44Key | undefined {
    return this.keys.findMlDsa44();
  }

  /** What checkpoints verify with: Ed25519 first. Whoever knows but one of them ignores the other's line. */
  get checkpointKeys(): VerifierKey[] {
    const { origin, checkpoint, postQuantum } = this;
    const vkeys = [encodeVerifierKey(origin, ed25519Raw(checkpoint.spki))];
    if (postQuantum) vkeys.push(encodeVerifierKey(origin, postQuantum.publicKey, ML_DSA_44_COSIGNATURE));
    return vkeys.map(parseVerifierKey);
  }

  /** What outsiders may hold a checkpoint against, as a C2SP tlog-policy: this log, its witnesses, and how many are enough. */
  get witnessPolicy(): string | undefined {
    if (!this.witnessing) return undefined;
    const { witnesses, ...policy } = this.witnessing.policy;
    const named = witnesses.map(({ name, key }) => ({ name, key })); // where we ask them is nobody's business
    const logs = this.checkpointKeys.map((key) => ({ key }));
    return new TextDecoder().decode(encodePolicy({ ...policy, logs, witnesses: named }));
  }

  /** ES256: COSE receipts. */
  get receipt(): NamedSigner {
    return this.named('log-receipt');
  }

  /** ES256: promises that a certificate is logged (RFC 6962), in DER. */
  get sct(): Signer {
    return this.keys.load('log-sct');
  }

  /** ES256: the registry's own statements. */
  get record(): NamedSigner {
    return this.named('record');
  }

  private readonly kids = new Map<OnlineSlot, NamedSigner>();

  private named(slot: OnlineSlot): NamedSigner {
    const known = this.kids.get(slot);
    if (known) return known;
    const signer = this.keys.load(slot);
    const named = { signer, kid: coseKeyThumbprint(parsePublicKey(signer.spki)) };
    this.kids.set(slot, named);
    return named;
  }
}

/** The 32 key bytes at the end of an Ed25519 SubjectPublicKeyInfo (RFC 8410 §4). */
export function ed25519Raw(spki: Uint8Array): Uint8Array {
  if (spki.length !== 44) throw new Error('The checkpoint key is not an Ed25519 key.');
  return spki.slice(12);
}
