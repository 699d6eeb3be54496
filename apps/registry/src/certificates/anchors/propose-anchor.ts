import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import type { AnchorTerms } from '@margo-trust/policy';
import type { Certificate } from '@margo-trust/x509';
import { AuditTrail } from '../../audit/audit-trail.store.ts';
import { CallerFault } from '../../callers/caller.fault.ts';
import type { Identity } from '../../callers/identity.ts';
import { Clock } from '../../clock.ts';
import { Db } from '../../db/db.ts';
import { Random } from '../../random.ts';
import { VendorReader } from '../../vendors/vendor.reader.ts';
import { wholeSeconds } from '../../wire-time.ts';
import { AnchorDecisionFault, unfit } from './anchor.fault.ts';
import { AnchorReader, type StoredAnchor } from './anchor.reader.ts';
import { AnchorStore } from './anchor.store.ts';
import { JudgeProposal } from './judge-proposal.ts';

/** Of one vendor, proposed or in force at a time. */
const MAX_ANCHORS = 20;
/** Ever: withdrawn ones stay in the vendor's file of the trust root, of which readers take a thousand. */
const MAX_REGISTERED = 500;

/** What somebody wants to be an anchor. The window defaults to: from now, as long as the certificate. */
export interface AnchorOrder extends Omit<AnchorTerms, 'validFrom' | 'validUntil'> {
  readonly certificate: Certificate;
  readonly validFrom?: Date;
  readonly validUntil?: Date;
  readonly reason: string;
}

/**
 * Takes a proposal of an anchor from an owner of the vendor, or from governance on its behalf. It grants nothing before two
 * members of governance have approved it, and is judged again then.
 */
@Injectable()
export class ProposeAnchor {
  constructor(
    private readonly db: Db,
    private readonly vendors: VendorReader,
    private readonly judge: JudgeProposal,
    private readonly reader: AnchorReader,
    private readonly store: AnchorStore,
    private readonly audit: AuditTrail,
    private readonly random: Random,
    private readonly clock: Clock,
  ) {}

  async run(caller: Identity, vendorId: string, order: AnchorOrder): Promise<StoredAnchor> {
    const anchor = await this.draft(caller, vendorId, order);
    await this.db.transaction(async (tx) => {
      await this.store.lockDecisions(tx);
      const findings = await this.judge.run(tx, anchor);
      if (findings.length > 0) throw unfit(findings);
      const all = await this.reader.ofVendor(vendorId, tx);
      const open = all.filter(({ state }) => state !== 'withdrawn');
      if (open.length >= MAX_ANCHORS) {
        throw new AnchorDecisionFault(
          'anchor/too-many',
          `A vendor has ${MAX_ANCHORS} anchors at most: withdraw one first.`,
        );
      }
      if (all.filter(({ registration }) => registration).length >= MAX_REGISTERED) {
        const message = `A vendor has registered ${MAX_REGISTERED} anchors in all at most.`;
        throw new AnchorDecisionFault('anchor/too-many', message);
      }
      await this.store.insert(tx, anchor);
      await this.audit.append(tx, {
        actor: caller.name,
        action: 'anchor-proposed',
        subject: `vendor:${vendorId}`,
        detail: {
          ...{ anchor: anchor.id, purpose: anchor.purpose, fingerprint: anchor.certificate.fingerprint },
          reason: anchor.reason,
        },
      });
    });
    return anchor;
  }

  /** What would be said of it, without proposing it. */
  async preview(
    caller: Identity,
    vendorId: string,
    order: AnchorOrder,
  ): Promise<{ anchor: StoredAnchor; findings: string[] }> {
    const anchor = await this.draft(caller, vendorId, order);
    return { anchor, findings: await this.db.transaction((tx) => this.judge.run(tx, anchor)) };
  }

  private async draft(caller: Identity, vendorId: string, order: AnchorOrder): Promise<StoredAnchor> {
    const vendor = await this.vendors.load(vendorId);
    if (!caller.hasRole(vendorId, 'owner') && !caller.isGovernance) {
      throw new CallerFault('caller/forbidden', "Only the vendor's owners and governance propose an anchor.");
    }
    const { certificate } = order;
    const { issuer, subject } = caller;
    const now = this.clock.now();
    return {
      ...{ id: encodeHex(this.random.bytes(13)), vendorId, vendorUri: vendor.uri, certificate },
      ...{ purpose: order.purpose, claims: order.claims, subject: order.subject },
      validFrom: order.validFrom ?? wholeSeconds(now),
      validUntil: order.validUntil ?? certificate.notAfter,
      ...{ state: 'proposed', reason: order.reason, proposer: { issuer, subject }, proposedAt: now },
    };
  }
}
