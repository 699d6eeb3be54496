import { Injectable } from '@nestjs/common';
import { describeAnchor } from '@margo-trust/policy';
import { AuditTrail } from '../../audit/audit-trail.store.ts';
import type { Identity } from '../../callers/identity.ts';
import { Clock } from '../../clock.ts';
import { Db, type Tx } from '../../db/db.ts';
import { AppendRecord } from '../../log/append-record.ts';
import { CertificateStore } from '../certificate.store.ts';
import { AnchorDecisionFault, unfit } from './anchor.fault.ts';
import { AnchorReader, type StoredAnchor } from './anchor.reader.ts';
import { AnchorStore } from './anchor.store.ts';
import { JudgeProposal } from './judge-proposal.ts';

/** How many governance members must say yes. */
const QUORUM = 2;

/**
 * Takes one governance member's approval of a proposed anchor; the second one registers it. It is judged again then, as it was
 * when it was proposed, since claims, keys and times may be others by now. Record and registration are one transaction.
 */
@Injectable()
export class ApproveAnchor {
  constructor(
    private readonly db: Db,
    private readonly judge: JudgeProposal,
    private readonly reader: AnchorReader,
    private readonly store: AnchorStore,
    private readonly issued: CertificateStore,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
  ) {}

  async run(member: Identity, id: string, note: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.store.lockDecisions(tx);
      const anchor = await this.reader.load(id, tx);
      if (member.belongsTo(anchor.vendorId)) {
        const message = 'You belong to this vendor: somebody else must approve its anchor.';
        throw new AnchorDecisionFault('anchor/own-organisation', message);
      }
      if (anchor.state !== 'proposed') {
        throw new AnchorDecisionFault('anchor/wrong-state', `The anchor is ${anchor.state}.`);
      }
      const earlier = await this.reader.approvals(id, tx);
      if (earlier.some((voter) => member.isSameAs(voter))) {
        const message = 'You have approved this anchor; another member must be next.';
        throw new AnchorDecisionFault('anchor/already-approved', message);
      }
      const { issuer, subject } = member;
      await this.store.insertApproval(tx, id, { issuer, subject, note, approvedAt: this.clock.now() });
      await this.audit.append(tx, {
        actor: member.name,
        action: 'anchor-approved',
        subject: `vendor:${anchor.vendorId}`,
        detail: { anchor: id, note },
      });
      if (earlier.length + 1 >= QUORUM) await this.register(tx, anchor, earlier.length + 1);
    });
  }

  private async register(tx: Tx, anchor: StoredAnchor, approvals: number): Promise<void> {
    const { id, vendorId, certificate, purpose } = anchor;
    // Nobody gets a certificate for this key, and nothing is revoked or suspended, until this is committed.
    await this.issued.lockIssuance(tx);
    await this.record.hold(tx);
    const findings = await this.judge.run(tx, anchor);
    if (findings.length > 0) throw unfit(findings);
    const at = this.clock.now();
    const logged = await this.record.run(tx, {
      subject: `vendor:${vendorId}`,
      vendorId,
      payload: describeAnchor(anchor, { at, approvals }),
      mentions: [`sha256:${certificate.fingerprint}`],
    });
    await this.store.register(tx, id, at, logged);
    await this.audit.append(tx, {
      actor: 'quorum',
      action: 'anchor-registered',
      subject: `vendor:${vendorId}`,
      detail: { anchor: id, purpose, fingerprint: certificate.fingerprint, entryId: logged.entryId },
    });
    this.db.afterCommit(tx, () => this.reader.forget());
  }
}
