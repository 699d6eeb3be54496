import { Injectable } from '@nestjs/common';
import { encodeHex, parseUtf8 } from '@margo-trust/bytes';
import { encodeRegistrationPolicy, readRegistrationPolicy } from '@margo-trust/policy';
import { AuditTrail } from '../../audit/audit-trail.store.ts';
import type { Identity } from '../../callers/identity.ts';
import { Clock } from '../../clock.ts';
import { Db } from '../../db/db.ts';
import { Random } from '../../random.ts';
import { LogIdentity } from '../log-identity.ts';
import { PolicyDecisionFault } from '../log.fault.ts';
import { PolicyStore, type StoredProposal } from './policy.store.ts';

/** Takes a governance member's proposal of the next registration policy. It changes nothing before another one approves. */
@Injectable()
export class ProposePolicy {
  constructor(
    private readonly db: Db,
    private readonly policies: PolicyStore,
    private readonly audit: AuditTrail,
    private readonly identity: LogIdentity,
    private readonly random: Random,
    private readonly clock: Clock,
  ) {}

  /** `document` is the whole policy, its version one above the present one. */
  async run(member: Identity, document: unknown, reason: string): Promise<StoredProposal> {
    const policy = readRegistrationPolicy(document);
    const { issuer, subject } = member;
    const proposal: StoredProposal = {
      id: encodeHex(this.random.bytes(8)),
      version: policy.version,
      document: parseUtf8(encodeRegistrationPolicy(policy)),
      reason,
      issuer,
      subject,
      proposedAt: this.clock.now(),
    };
    await this.db.transaction(async (tx) => {
      await this.policies.lockDecisions(tx);
      const next = (await this.policies.currentVersion(tx, this.identity.logId)) + 1;
      if (policy.version !== next) {
        throw new PolicyDecisionFault('policy/wrong-version', `The next policy has the version ${next}.`);
      }
      await this.policies.insertProposal(tx, this.identity.logId, proposal);
      await this.audit.append(tx, {
        actor: member.name,
        action: 'policy-proposed',
        subject: `policy:${this.identity.origin}`,
        detail: { proposal: proposal.id, version: policy.version, reason },
      });
    });
    return proposal;
  }
}
