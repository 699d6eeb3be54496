import { Injectable } from '@nestjs/common';
import { encodeBase64Url } from '@margo-trust/bytes';
import { AuditTrail } from '../../audit/audit-trail.store.ts';
import type { Identity } from '../../callers/identity.ts';
import { Clock } from '../../clock.ts';
import { Db, type Tx } from '../../db/db.ts';
import { Random } from '../../random.ts';
import { KeepTransitions } from '../keys/keep-transitions.ts';
import { LogKeys } from '../keys/log-keys.ts';
import { LogChangeFault } from '../log.fault.ts';
import { LogIdentity } from '../log-identity.ts';
import { areSameChange, type LogChange, type WantedChange } from './log-change.ts';
import { type LogProposal, LogProposalStore } from './log-proposal.store.ts';
import { RotateLogKey } from './rotate-log-key.ts';

/**
 * Changes of logs and their keys: one member of governance proposes, down to the byte, and another one approves, which makes the
 * change. In between the world may change: what can no longer be made exactly so is passed over.
 */
@Injectable()
export class DecideLogChange {
  constructor(
    private readonly db: Db,
    private readonly store: LogProposalStore,
    private readonly rotate: RotateLogKey,
    private readonly transitions: KeepTransitions,
    private readonly keys: LogKeys,
    private readonly identity: LogIdentity,
    private readonly audit: AuditTrail,
    private readonly random: Random,
    private readonly clock: Clock,
  ) {}

  /** What the change would be. Nothing is done. */
  preview(wanted: WantedChange): Promise<LogChange> {
    return this.draft(wanted);
  }

  async propose(member: Identity, wanted: WantedChange, reason: string): Promise<LogProposal> {
    const change = await this.draft(wanted);
    const { issuer, subject } = member;
    const id = encodeBase64Url(this.random.bytes(12));
    const proposal: LogProposal = { id, change, reason, issuer, subject, proposedAt: this.clock.now() };
    await this.db.transaction(async (tx) => {
      await this.store.lockDecisions(tx);
      await this.store.insert(tx, proposal);
      await this.audit.append(tx, {
        ...{ actor: member.name, action: 'log-change-proposed', subject: `log:${change.log}` },
        detail: { proposal: id, change, reason },
      });
    });
    return proposal;
  }

  /** Takes the second member's approval, which makes the change. */
  async approve(member: Identity, id: string, note: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.store.lockDecisions(tx);
      const proposal = await this.store.findOpen(tx, id);
      if (!proposal) throw new LogChangeFault('log/no-such-proposal', 'No proposal with this id waits for a decision.');
      if (member.isSameAs(proposal)) {
        throw new LogChangeFault('log/own-proposal', 'You have proposed this: another member must approve it.');
      }
      const { change } = proposal;
      const { entryId } = await this.make(tx, change);
      await this.store.insertDecision(tx, id, member, entryId, this.clock.now());
      await this.audit.append(tx, {
        ...{ actor: member.name, action: 'log-changed', subject: `log:${change.log}` },
        detail: { proposal: id, change, note, entryId },
      });
    });
    await this.keys.refresh();
    // What a crash leaves undone here the worker does.
    await this.transitions.run();
  }

  private async make(tx: Tx, change: LogChange): Promise<{ entryId: string }> {
    const { action, log, purpose } = change;
    const again = await this.draft({ action, log, ...(purpose && { purpose }) });
    if (!areSameChange(again, change)) {
      throw new LogChangeFault('log/passed-over', 'What was proposed can no longer be made so: propose anew.');
    }
    return this.rotate.run(tx, change);
  }

  private draft(wanted: WantedChange): Promise<LogChange> {
    const { origin } = this.identity;
    if (wanted.log !== undefined && wanted.log !== origin) {
      throw new LogChangeFault('log/no-such-log', `Keys are replaced in the log that takes statements: ${origin}.`);
    }
    return this.rotate.draft(wanted);
  }
}
