import { Injectable } from '@nestjs/common';
import { describeRegistrationPolicy, parseRegistrationPolicy } from '@margo-trust/policy';
import { CONTENT } from '@margo-trust/statement';
import { AuditTrail } from '../../audit/audit-trail.store.ts';
import type { Identity } from '../../callers/identity.ts';
import { Clock } from '../../clock.ts';
import { Db, type Tx } from '../../db/db.ts';
import { AppendRecord } from '../append-record.ts';
import { LogIdentity } from '../log-identity.ts';
import { PolicyDecisionFault } from '../log.fault.ts';
import { PolicyReader } from './policy.reader.ts';
import { PolicyStore, type StoredProposal } from './policy.store.ts';

/**
 * Takes the second governance member's approval of a proposed policy, which adopts it: the policy is logged and counts from
 * that index on, in one transaction. Nothing dates it back, since its index says when it began.
 */
@Injectable()
export class ApprovePolicy {
  constructor(
    private readonly db: Db,
    private readonly policies: PolicyStore,
    private readonly reader: PolicyReader,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly identity: LogIdentity,
    private readonly clock: Clock,
  ) {}

  async run(member: Identity, id: string, note: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.policies.lockDecisions(tx);
      const proposal = await this.policies.findProposal(tx, this.identity.logId, id);
      if (proposal === undefined) {
        throw new PolicyDecisionFault('policy/no-such-proposal', 'There is no proposal with this id.');
      }
      const current = await this.policies.currentVersion(tx, this.identity.logId);
      if (proposal.version !== current + 1) {
        throw new PolicyDecisionFault('policy/passed-over', `Version ${current} was adopted since; propose anew.`);
      }
      if (member.isSameAs(proposal)) {
        throw new PolicyDecisionFault('policy/own-proposal', 'You have proposed this: another member must approve it.');
      }
      await this.adopt(tx, proposal, member, note);
      this.db.afterCommit(tx, () => this.reader.forget());
    });
  }

  private async adopt(tx: Tx, proposal: StoredProposal, member: Identity, note: string): Promise<void> {
    const { id, version, document } = proposal;
    const subject = `policy:${this.identity.origin}`;
    const payload = describeRegistrationPolicy(parseRegistrationPolicy(document));
    const { index, entryId } = await this.record.run(tx, { subject, contentType: CONTENT.policy, payload });
    await this.policies.insertPolicy(tx, this.identity.logId, { version, index, document, at: this.clock.now() });
    await this.audit.append(tx, {
      actor: member.name,
      action: 'policy-adopted',
      subject,
      detail: { proposal: id, version, note, entryId },
    });
  }
}
