import { Injectable } from '@nestjs/common';
import type { RevocationOrder } from '@margo-trust/wire';
import { CallerFault } from '../callers/caller.fault.ts';
import type { Identity } from '../callers/identity.ts';
import { CertificateReader } from '../certificates/certificate.reader.ts';
import { Clock } from '../clock.ts';
import type { Tx } from '../db/db.ts';
import { VendorReader } from '../vendors/vendor.reader.ts';
import { findWireTime, wholeSeconds } from '../wire-time.ts';
import { type AffectedCertificate, AffectedReader } from './affected.reader.ts';
import { checkInvalidityDate, type Verdict } from './decide-revocation.ts';
import { readTarget, type Selector } from './read-target.ts';
import { RevocationFault } from './revocation.fault.ts';
import type { RevocationSubject } from './revocation.reader.ts';

/** An order that may be given by whoever gives it. */
export interface WeighedOrder {
  readonly selector: Selector;
  readonly verdict: Verdict;
  /** In whole seconds. */
  readonly now: Date;
}

/** The most that one order may be about: more is an issuer or a vendor. */
export const MOST_CERTIFICATES = 100_000;

/**
 * Reads an order and judges who gives it. Governance may revoke anything; a vendor's owners, publishers and security people
 * what is the vendor's: its certificates, their keys and those of its own CAs, and its own signatures of a digest.
 */
@Injectable()
export class WeighOrder {
  constructor(
    private readonly affected: AffectedReader,
    private readonly certificates: CertificateReader,
    private readonly vendors: VendorReader,
    private readonly clock: Clock,
  ) {}

  async run(caller: Identity, { target, reason, invalidityDate }: RevocationOrder): Promise<WeighedOrder> {
    const selector = readTarget(target);
    const now = wholeSeconds(this.clock.now());
    const notBefore = await this.checkTarget(caller, selector);
    if (invalidityDate === undefined) return { selector, verdict: { reason }, now };
    const date = findWireTime(invalidityDate);
    if (date === undefined) throw new RevocationFault('revocation/invalid-date', 'There is no such day or time.');
    checkInvalidityDate(date, now, notBefore);
    return { selector, verdict: { reason, invalidityDate: date }, now };
  }

  /** What is decided about; certificates with what their record says of them. */
  async subjects(
    selector: Selector,
    tx: Tx,
  ): Promise<{ subjects: RevocationSubject[]; certificates: AffectedCertificate[]; vendorId?: string }> {
    switch (selector.by) {
      case 'serials':
      case 'window': {
        const certificates = await this.affected.certificates(selector, MOST_CERTIFICATES + 1, tx);
        if (certificates.length === 0) {
          throw new RevocationFault('revocation/nothing-found', 'No certificate was issued in that time.');
        }
        if (certificates.length > MOST_CERTIFICATES) {
          throw new RevocationFault(
            'revocation/bad-target',
            `More than ${MOST_CERTIFICATES} certificates: narrow it down.`,
          );
        }
        return { subjects: certificates.map(({ serial }) => ({ kind: 'certificate', target: serial })), certificates };
      }
      case 'key': {
        const vendorId = await this.affected.findHolder(selector.key, tx);
        const subjects: RevocationSubject[] = [{ kind: 'key', target: selector.key }];
        return { subjects, certificates: [], ...(vendorId !== undefined && { vendorId }) };
      }
      case 'issuer':
        return { subjects: [{ kind: 'issuer', target: selector.issuer }], certificates: [] };
      case 'vendor': {
        const { vendorId } = selector;
        return { subjects: [{ kind: 'vendor', target: vendorId }], certificates: [], vendorId };
      }
      case 'digest': {
        const { digest, vendorId } = selector;
        const scope = vendorId === undefined ? {} : { vendorId };
        return { subjects: [{ kind: 'digest', target: digest, ...scope }], certificates: [], ...scope };
      }
    }
  }

  /** Throws unless the caller may revoke this. Returns the begin of the only certificate meant, if it is one. */
  private async checkTarget(caller: Identity, selector: Selector): Promise<Date | undefined> {
    switch (selector.by) {
      case 'serials': {
        const found = await this.affected.certificates(selector, selector.serials.length);
        // Throws for the one that was never issued.
        if (found.length < selector.serials.length)
          for (const serial of selector.serials) await this.certificates.load(serial);
        for (const { vendorId } of found) refuseStranger(caller, vendorId);
        return found.length === 1 ? found[0]?.notBefore : undefined;
      }
      case 'key': {
        const [certificate] = await this.affected.certificates(selector, 1);
        refuseStranger(caller, certificate?.vendorId ?? (await this.affected.findHolder(selector.key)));
        return certificate?.notBefore;
      }
      case 'issuer':
        refuseStranger(caller, undefined);
        return this.refuseUnknownIssuer(selector.issuer);
      case 'vendor':
        refuseStranger(caller, undefined);
        await this.vendors.load(selector.vendorId);
        return undefined;
      case 'digest':
      case 'window':
        refuseStranger(caller, selector.vendorId);
        if (selector.vendorId !== undefined) await this.vendors.load(selector.vendorId);
        if (selector.by === 'window' && selector.issuer !== undefined) await this.refuseUnknownIssuer(selector.issuer);
        return undefined;
    }
  }

  private async refuseUnknownIssuer(name: string): Promise<undefined> {
    const authorities = await this.certificates.authorities();
    if (authorities.some((authority) => authority.role === 'issuing' && authority.name === name)) return;
    throw new RevocationFault('revocation/bad-target', 'There is no issuing CA of this name.');
  }
}

/** Lets governance pass, and people of the vendor, where it is a vendor's. */
function refuseStranger(caller: Identity, vendorId: string | undefined): void {
  if (caller.isGovernance) return;
  if (vendorId !== undefined && caller.hasRole(vendorId, 'owner', 'security', 'publisher')) return;
  const message =
    vendorId === undefined
      ? 'Only governance may revoke this.'
      : 'Only its vendor and governance may revoke a certificate, key or signature.';
  throw new CallerFault('caller/forbidden', message);
}
