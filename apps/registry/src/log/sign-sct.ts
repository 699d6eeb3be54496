import { Injectable } from '@nestjs/common';
import { parsePublicKey, type PublicKey, sha256 } from '@margo-trust/crypto';
import { type Sct, sctToBeSigned } from '@margo-trust/x509';
import type { Committed } from '../db/db.ts';
import type { Signer } from '../keys/signer.ts';
import { LogKeys } from './keys/log-keys.ts';
import { LogIdentity } from './log-identity.ts';

/** Signs the log's promise that it holds a certificate (RFC 6962 §3.2). It is kept before it is made. */
@Injectable()
export class SignSct {
  private readonly parsed = new WeakMap<Signer, PublicKey>();

  constructor(
    private readonly identity: LogIdentity,
    private readonly keys: LogKeys,
  ) {}

  /** Sees to it that this process knows the keys that promise now: once before those of a batch. */
  async prepare(): Promise<void> {
    await this.keys.refresh();
  }

  /**
   * The promise for `tbs`, dated when it was logged, so that asking again promises the same; after {@link prepare}. That the record
   * which holds it is committed, the type of `logged` says.
   */
  async run(logged: Committed<{ tbs: Uint8Array; loggedAt: Date }>, issuerSpki: Uint8Array): Promise<Sct> {
    const { tbs, loggedAt: time } = logged;
    const signer = this.identity.sctAt(time);
    const signature = await signer.sign(sctToBeSigned({ tbs, issuerSpki, time }), 'der');
    return { logId: sha256(signer.spki), time, signature };
  }

  /** The key that a promise of that date verifies with, once one was made. */
  keyAt(time: Date): PublicKey {
    const signer = this.identity.sctAt(time);
    const known = this.parsed.get(signer) ?? parsePublicKey(signer.spki);
    this.parsed.set(signer, known);
    return known;
  }
}
