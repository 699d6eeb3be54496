import { Injectable } from '@nestjs/common';
import type { PreviewOutcome, RevocationOrder } from '@margo-trust/wire';
import type { Identity } from '../callers/identity.ts';
import { LogIdentity } from '../log/log-identity.ts';
import { type AffectedCertificate, AffectedReader, type AffectedStatement } from './affected.reader.ts';
import { isOnCrl, refusedFrom } from './decide-revocation.ts';
import { WeighOrder } from './weigh-order.ts';

export interface Preview {
  readonly certificateCount: number;
  /** The newest hundred. */
  readonly certificates: readonly AffectedCertificate[];
  /** By which the CRLs of leaves would grow in all. */
  readonly crlBytes: number;
  readonly counts: Readonly<Record<PreviewOutcome, number>>;
  /** A page of statements, newest first. */
  readonly statements: readonly AffectedStatement[];
}

/** Bytes of a line of a CRL with a serial number of 16 bytes and a reason; and with an invalidity date. */
const ENTRY = 49;
const DATED_ENTRY = 75;

/** Says what an order would hit, without giving it: whoever may give the order may ask. */
@Injectable()
export class PreviewRevocation {
  constructor(
    private readonly weigh: WeighOrder,
    private readonly affected: AffectedReader,
    private readonly identity: LogIdentity,
  ) {}

  async run(caller: Identity, order: RevocationOrder, limit: number, before?: bigint): Promise<Preview> {
    const { selector, verdict, now } = await this.weigh.run(caller, order);
    const from = refusedFrom(verdict, now);
    const query = { selector, registry: this.identity.issuer, ...(from && { refusedFrom: from }) };
    const certificateCount = await this.affected.countCertificates(selector);
    const isListed = isOnCrl(verdict) && selector.by !== 'issuer';
    return {
      certificateCount,
      certificates: await this.affected.certificates(selector, 100),
      crlBytes: isListed ? certificateCount * (verdict.invalidityDate ? DATED_ENTRY : ENTRY) : 0,
      counts: await this.affected.counts(query),
      statements: await this.affected.page(query, limit, before),
    };
  }
}
