import { Injectable } from '@nestjs/common';
import { parseUtf8 } from '@margo-trust/bytes';
import { EMPTY_ROOT } from '@margo-trust/merkle';
import { describeRegistrationPolicy, encodeRegistrationPolicy, FOUNDING_POLICY } from '@margo-trust/policy';
import { CONTENT } from '@margo-trust/statement';
import { Clock } from '../clock.ts';
import { LOG_KEY_PURPOSES } from '@margo-trust/auditor';
import { LogKeyStore } from './keys/log-key.store.ts';
import type { Tx } from '../db/db.ts';
import { AppendRecord } from './append-record.ts';
import { LogIdentity } from './log-identity.ts';
import { LogStore } from './log.store.ts';
import { PolicyStore } from './admission/policy.store.ts';

/**
 * Opens the log with its two genesis entries: the registration policy at index 0, the trust anchors at index 1
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
    private readonly clock: Clock,
  ) {}

  async run(tx: Tx, anchors: object): Promise<void> {
    const { logId, origin } = this.identity;
    const now = this.clock.now();
    await this.store.create(tx, logId, origin, EMPTY_ROOT, now);
    const first = LOG_KEY_PURPOSES.map((purpose) => [purpose, this.identity.first(purpose).spki] as const);
    await this.keys.insertFirst(tx, logId, new Map(first), now);
    const { index } = await this.append.run(tx, {
      subject: `policy:${origin}`,
      contentType: CONTENT.policy,
      payload: describeRegistrationPolicy(FOUNDING_POLICY),
    });
    const document = parseUtf8(encodeRegistrationPolicy(FOUNDING_POLICY));
    await this.policies.insertPolicy(tx, logId, { version: 1, index, document, at: this.clock.now() });
    await this.append.run(tx, { subject: `anchors:${origin}`, contentType: CONTENT.anchors, payload: anchors });
  }
}
