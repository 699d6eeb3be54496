import { Fault } from '@margo-trust/fault';
import { parseAnchorRecord, type RegisteredAnchor } from '@margo-trust/policy';
import type { AnchorPurpose } from '@margo-trust/x509';
import { VerifyFault } from './fault.ts';
import { openRecord } from './governance-record.ts';
import type { PublishedAnchor, PublishedVendor, TrustRoot } from './trust-root.ts';
import type { TrustedTime } from './trusted-time.ts';

/** Members of governance who must have said yes. */
const QUORUM = 2;

/** The anchors of a vendor for one purpose whose registration is proven, and what is wrong with the first that is not, or why none is known. */
export interface ProvenAnchors {
  readonly anchors: readonly RegisteredAnchor[];
  readonly doubt?: Fault;
}

/** What vendors registered of their own, each with its registration proven before it counts. */
export class RegisteredAnchors {
  private readonly trust: TrustRoot;
  private readonly time: TrustedTime;
  private readonly proven = new Map<PublishedAnchor, RegisteredAnchor | VerifyFault>();

  constructor(trust: TrustRoot, time: TrustedTime) {
    this.trust = trust;
    this.time = time;
  }

  /** `published` is what the online role says: it can leave an anchor out or end it, and add none. */
  of(vendor: PublishedVendor, purpose: AnchorPurpose, published = vendor.anchors): ProvenAnchors {
    const judged = published.map((one) => this.prove(one, vendor));
    const doubt = judged.find((one) => one instanceof VerifyFault);
    return {
      anchors: judged.flatMap((one) => (one instanceof VerifyFault || one.purpose !== purpose ? [] : [one])),
      ...(doubt && { doubt }),
    };
  }

  private prove(published: PublishedAnchor, vendor: PublishedVendor): RegisteredAnchor | VerifyFault {
    const known = this.proven.get(published);
    if (known) return known;
    const judged = this.judge(published, vendor);
    this.proven.set(published, judged);
    return judged;
  }

  private judge({ record, withdrawnAt }: PublishedAnchor, vendor: PublishedVendor): RegisteredAnchor | VerifyFault {
    const unproven = (message: string, cause?: unknown) =>
      new VerifyFault(
        'verify/anchor-unproven',
        `A CA of ${vendor.legalName} is not proven to be registered: ${message}`,
        {
          cause,
        },
      );
    try {
      const statement = openRecord(record, { trust: this.trust, time: this.time }, unproven);
      const { anchor, approvals } = parseAnchorRecord(statement.payload);
      const isOf = anchor.vendorId === vendor.id && anchor.vendorUri === vendor.uri;
      if (!isOf || statement.subject !== `vendor:${vendor.id}`) return unproven('its record is about somebody else.');
      if (approvals < QUORUM) return unproven(`it has less than ${QUORUM} approvals.`);
      if (withdrawnAt === undefined || withdrawnAt >= anchor.validUntil) return anchor;
      return { ...anchor, validUntil: withdrawnAt };
    } catch (error) {
      if (error instanceof VerifyFault && error.code === 'verify/anchor-unproven') return error;
      if (error instanceof Fault) return unproven(error.message, error);
      throw error;
    }
  }
}
