import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import { AuditTrail } from '../../audit/audit-trail.store.ts';
import type { Identity } from '../../callers/identity.ts';
import { Clock } from '../../clock.ts';
import { Config } from '../../config.ts';
import { Db, type Tx } from '../../db/db.ts';
import { Random } from '../../random.ts';
import { wireTime } from '../../wire-time.ts';
import { AppendRecord } from '../append-record.ts';
import { KeepTransitions } from '../keys/keep-transitions.ts';
import { LogKeys } from '../keys/log-keys.ts';
import { LogChangeFault } from '../log.fault.ts';
import { LogIdentity } from '../log-identity.ts';
import { type RunningLog, RunningLogs } from '../running-logs.ts';
import { originOf } from '../served-log.ts';
import { CloseFirstLog } from './close-first-log.ts';
import { FreezeLog } from './freeze-log.ts';
import { areSameChange, type LogAction, type LogChange, type WantedChange } from './log-change.ts';
import { type LogProposal, LogProposalStore } from './log-proposal.store.ts';
import { OpenNamedLog } from './open-named-log.ts';
import { RetireLog } from './retire-log.ts';
import { RotateLogKey } from './rotate-log-key.ts';

/**
 * Changes of logs and their keys: one member of governance proposes, down to the byte, and another one approves, which makes the
 * change. In between the world may change: what can no longer be made exactly so is passed over.
 *
 * What is done to another log than the first is on record in the first one too, in the same transaction.
 */
@Injectable()
export class DecideLogChange {
  constructor(
    private readonly db: Db,
    private readonly store: LogProposalStore,
    private readonly open: OpenNamedLog,
    private readonly close: CloseFirstLog,
    private readonly rotate: RotateLogKey,
    private readonly transitions: KeepTransitions,
    private readonly keys: LogKeys,
    private readonly identity: LogIdentity,
    private readonly logs: RunningLogs,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly config: Config,
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
    const id = encodeHex(this.random.bytes(8));
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
    const proposed = await this.db.transaction((tx) => this.load(tx, member, id));
    if (proposed.action === 'open') {
      const place = await this.open.place(proposed);
      await this.logs.open(place, (opened) => this.decide(member, id, note, opened));
    } else {
      if (proposed.action === 'freeze') await (await this.find(proposed.log)).app.get(FreezeLog).prepare();
      await this.decide(member, id, note);
    }
    await this.logs.lookAgain();
    await this.settle(proposed);
  }

  private async decide(member: Identity, id: string, note: string, opened?: RunningLog): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.store.lockDecisions(tx);
      const change = await this.load(tx, member, id);
      await this.refuseOther(change);
      const { entryId } = await this.make(tx, change, opened);
      await this.store.insertDecision(tx, id, member, entryId, this.clock.now());
      await this.audit.append(tx, {
        ...{ actor: member.name, action: 'log-changed', subject: `log:${change.log}` },
        detail: { proposal: id, change, note, entryId },
      });
    });
  }

  /** What waits under this id, for a member who may approve it. */
  private async load(tx: Tx, member: Identity, id: string): Promise<LogChange> {
    const proposal = await this.store.findOpen(tx, id);
    if (!proposal) throw new LogChangeFault('log/no-such-proposal', 'No proposal with this id waits for a decision.');
    if (member.isSameAs(proposal)) {
      throw new LogChangeFault('log/own-proposal', 'You have proposed this: another member must approve it.');
    }
    return proposal.change;
  }

  private async refuseOther(change: LogChange): Promise<void> {
    const { action, log, name, purpose } = change;
    const wanted = { action, log, ...(name !== undefined && { name }), ...(purpose && { purpose }) };
    if (areSameChange(await this.draft(wanted), change)) return;
    throw new LogChangeFault('log/passed-over', 'What was proposed can no longer be made so: propose anew.');
  }

  private async make(tx: Tx, change: LogChange, opened?: RunningLog): Promise<{ entryId: string }> {
    const { action, log, name, checkpointKey, mlDsa44Key, receiptKey, sctKey } = change;
    if (action === 'rotate-key') return (await this.rotationOf(log)).run(tx, change);
    if (action === 'close') return this.close.run(tx);
    if (action === 'open') {
      if (!opened) throw new Error('A log is opened together with what serves it.');
      await this.open.run(tx, change, opened);
      return this.putOnRecord(tx, 'log-opened', { log, name, checkpointKey, mlDsa44Key, receiptKey, sctKey });
    }
    const { app } = await this.find(log);
    if (action === 'retire') {
      const { size } = await app.get(RetireLog).run(tx);
      return this.putOnRecord(tx, 'log-retired', { log, size });
    }
    const { entryId, size, root } = await app.get(FreezeLog).run(tx);
    await this.putOnRecord(tx, 'log-frozen', { log, size, root });
    return { entryId };
  }

  /** In the first log, after the other's own head was taken: see {@link GovernanceSeen}. */
  private putOnRecord(
    tx: Tx,
    record: string,
    members: Readonly<Record<string, string | undefined>> & { readonly log: string },
  ): Promise<{ entryId: string }> {
    const payload = { record, at: wireTime(this.clock.now()), ...members, approvals: 2 };
    return this.record.run(tx, { subject: `log:${members.log}`, payload });
  }

  /** What a crash leaves undone here the worker does, and processes that come later. */
  private async settle({ action, log }: LogChange): Promise<void> {
    if (action !== 'rotate-key') return;
    const app = log === this.identity.origin ? undefined : (await this.find(log)).app;
    await (app?.get(LogKeys) ?? this.keys).refresh();
    await (app?.get(KeepTransitions) ?? this.transitions).run();
  }

  private async draft(wanted: WantedChange): Promise<LogChange> {
    const { action, name } = wanted;
    if (action === 'open') return this.open.draft(wanted);
    const log = wanted.log ?? (name === undefined ? this.identity.origin : originOf(name, this.config.domain));
    if (action === 'rotate-key') return (await this.rotationOf(log)).draft(wanted);
    if (action === 'close') return this.close.draft(log);
    if (log === this.identity.origin) throw governs(action);
    const { app } = await this.find(log);
    return action === 'freeze' ? app.get(FreezeLog).draft() : app.get(RetireLog).draft();
  }

  private async rotationOf(origin: string): Promise<RotateLogKey> {
    return origin === this.identity.origin ? this.rotate : (await this.find(origin)).app.get(RotateLogKey);
  }

  /** A log of its own name, which another process may have opened a moment ago. */
  private async find(origin: string): Promise<RunningLog> {
    if (!this.logs.findByOrigin(origin)) await this.logs.lookAgain();
    const found = this.logs.findByOrigin(origin);
    if (found) return found;
    throw new LogChangeFault('log/no-such-log', 'This registry has no such log: see the list of logs.');
  }
}

function governs(action: LogAction): LogChangeFault {
  const what = action === 'freeze' ? 'frozen' : 'retired';
  const message = `The first log is never ${what}: vendors, certificates and revocations are on record there. It may be closed for statements.`;
  return new LogChangeFault('log/governs', message);
}
