import { encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { judgeAnchor, type RegisteredAnchor } from '@margo-trust/policy';
import { verifyReceipt } from '@margo-trust/receipt';
import type { Statement } from '@margo-trust/statement';
import { verifyTimestampToken } from '@margo-trust/timestamp';
import type { Certificate } from '@margo-trust/x509';
import { VerifyFault } from './fault.ts';
import { isWithinWindow, type Anchor, type TrustRoot } from './trust-root.ts';

/** Where in which log an entry lies; `size` is that of the tree that its receipt is about. */
export interface LogPlace {
  readonly origin: string;
  readonly index: bigint;
  readonly size: bigint;
  /** Root of that tree. */
  readonly root: Uint8Array;
}

/** Tells when a statement existed, by those whom the trust root believes about time. */
export class TrustedTime {
  private readonly trust: TrustRoot;
  private readonly timestampAnchors: readonly { anchor: Anchor; verifiedPaths: Map<string, readonly Certificate[]> }[];

  constructor(trust: TrustRoot) {
    this.trust = trust;
    this.timestampAnchors = trust.timestampAnchors.map((anchor) => ({ anchor, verifiedPaths: new Map() }));
  }

  /**
   * The earliest time at which somebody we trust saw the signature: a log of the trust root (RFC 9942 receipt), or a
   * time-stamping authority pinned there (RFC 3161). The log is not optional: a signature nobody can find does not count.
   * With it the places in that log that receipts lead to, the earliest first. `stampers` are authorities that stamp for whoever
   * signed the statement, and for nobody else.
   */
  of(
    statement: Statement,
    stampers: readonly RegisteredAnchor[] = [],
  ): { places: readonly [LogPlace, ...LogPlace[]]; time: Date } {
    const keys = this.trust.logs.flatMap((log) => log.receiptKeys);
    const places: LogPlace[] = [];
    let earliest: { place: LogPlace; time: Date } | undefined;
    let failure: Fault | undefined;
    for (const receipt of statement.receipts) {
      try {
        const { issuedAt, origin, index, size, root } = verifyReceipt(receipt, statement, keys);
        if (!issuedAt) throw new VerifyFault('verify/not-logged', 'The receipt does not say when it was made.');
        const place = { origin, index, size, root };
        places.push(place);
        if (!earliest || issuedAt < earliest.time) earliest = { place, time: issuedAt };
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        failure ??= error;
      }
    }
    if (earliest) {
      const { place, time } = earliest;
      const others = places.filter((other) => other !== place && other.origin === place.origin);
      return { places: [place, ...others], time: this.orStamp(time, statement, stampers) };
    }
    const why = failure ? `No log receipt holds: ${failure.message}` : 'No log receipt travels with it.';
    throw new VerifyFault('verify/not-logged', why, { cause: failure });
  }

  /** A time-stamp that does not hold proves nothing and harms nothing: the log's time stands. */
  private orStamp(logTime: Date, { timestampToken, cose }: Statement, stampers: readonly RegisteredAnchor[]): Date {
    if (!timestampToken) return logTime;
    for (const { anchor, verifiedPaths } of this.timestampAnchors) {
      try {
        const trust = { anchors: [anchor.certificate], verifiedPaths };
        const { genTime } = verifyTimestampToken(timestampToken, cose.signature, trust);
        if (isWithinWindow(anchor, genTime)) return earlier(genTime, logTime);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
      }
    }
    for (const anchor of stampers) {
      try {
        const { genTime, tsa } = verifyTimestampToken(timestampToken, cose.signature, {
          anchors: [anchor.certificate],
        });
        judgeAnchor([tsa, anchor.certificate], [anchor], genTime);
        if (![tsa, anchor.certificate].some((one) => this.isKeyRevoked(one))) return earlier(genTime, logTime);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
      }
    }
    return logTime;
  }

  private isKeyRevoked({ spki }: Certificate): boolean {
    const { keys, issuers } = this.trust.revocations;
    const key = encodeHex(sha256(spki));
    return keys.has(key) || issuers.has(key);
  }
}

function earlier(a: Date, b: Date): Date {
  return a < b ? a : b;
}
