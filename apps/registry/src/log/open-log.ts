import { Injectable } from '@nestjs/common';
import { parseUtf8 } from '@margo-trust/bytes';
import { EMPTY_ROOT } from '@margo-trust/merkle';
import {
  describeRegistrationPolicy,
  encodeRegistrationPolicy,
  FOUNDING_POLICY,
  type RegistrationPolicy,
} from '@margo-trust/policy';
import { CONTENT } from '@margo-trust/statement';
import { Clock } from '../clock.ts';
import type { LogKeyPurpose } from '@margo-trust/auditor';
import { LogKeyStore } from './keys/log-key.store.ts';
import type { Tx } from '../db/db.ts';
import { AppendRecord } from './append-record.ts';
import { LogIdentity } from './log-identity.ts';
import { LogStore } from './log.store.ts';
import { ServedLog } from './served-log.ts';
import { PolicyStore } from './admission/policy.store.ts';

/**
 * Opens the served log with its two genesis entries: the registration policy at index 0, the trust anchors at index 1
 * (RFC 9943 §5.1: both must be registered). A receipt cannot express a tree of one leaf, so a log never has just one.
 */
@Injectable()
export class OpenLog {
  constructor(
    private readonly store: LogStore,
    private readonly policies: PolicyStore,
    private readonly append: AppendRecord,
    private readonly keys: LogKeyStore,
    private readonly identity: LogIdentity,
    private readonly log: ServedLog,
    private readonly clock: Clock,
  ) {}

  /**
   * `keys` are what the log begins with; default: those in its slots. A policy is logged as the first version, whatever its number was
   * elsewhere.
   */
  async run(
    tx: Tx,
    anchors: object,
    keys: ReadonlyMap<LogKeyPurpose, Uint8Array> = this.identity.firstKeys(),
    adopted: RegistrationPolicy = FOUNDING_POLICY,
  ): Promise<void> {
    const { logId, origin } = this.identity;
    const policy = { ...adopted, version: 1 };
    const now = this.clock.now();
    await this.store.create(tx, this.log, EMPTY_ROOT, now);
    await this.keys.insertFirst(tx, logId, keys, now);
    const { index } = await this.append.run(tx, {
      subject: `policy:${origin}`,
      contentType: CONTENT.policy,
      payload: describeRegistrationPolicy(policy),
    });
    const document = parseUtf8(encodeRegistrationPolicy(policy));
    await this.policies.insertPolicy(tx, logId, { version: 1, index, document, at: this.clock.now() });
    await this.append.run(tx, { subject: `anchors:${origin}`, contentType: CONTENT.anchors, payload: anchors });
  }
}
