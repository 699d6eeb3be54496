import { Injectable } from '@nestjs/common';
import { parseHex } from '@margo-trust/bytes';
import type { RevocationRequest } from '@margo-trust/wire';
import { AuditTrail } from '../audit/audit-trail.store.ts';
import { CallerFault } from '../callers/caller.fault.ts';
import type { Identity } from '../callers/identity.ts';
import { CertificateReader, type IssuedCertificate } from '../certificates/certificate.reader.ts';
import { Clock } from '../clock.ts';
import { Db, type Tx } from '../db/db.ts';
import { AppendRecord } from '../log/append-record.ts';
import { findWireTime, wireTime, wholeSeconds } from '../wire-time.ts';
import { checkInvalidityDate, isNewDecision, type Verdict } from './decide-revocation.ts';
import { RevocationFault } from './revocation.fault.ts';
import { RevocationStore } from './revocation.store.ts';

/**
 * Revokes a certificate. The decision counts from its commit, together with its record in the log; CRLs and trust root
 * follow within seconds. Returns whether something was decided: asking for what holds already changes nothing.
 */
@Injectable()
export class RevokeCertificate {
  constructor(
    private readonly db: Db,
    private readonly certificates: CertificateReader,
    private readonly store: RevocationStore,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
  ) {}

  async run(caller: Identity, serial: string, request: RevocationRequest): Promise<boolean> {
    const certificate = await this.certificates.load(serial);
    const { vendorId } = certificate;
    if (!caller.isGovernance && !caller.hasRole(vendorId, 'owner', 'security', 'publisher')) {
      throw new CallerFault('caller/forbidden', 'Only its vendor and governance may revoke a certificate.');
    }
    const now = wholeSeconds(this.clock.now());
    const asked = readVerdict(request, now, certificate.notBefore);

    return this.db.transaction(async (tx) => {
      await this.store.lockDecisions(tx);
      const { revocation: before } = await this.certificates.load(certificate.serial, tx);
      if (!isNewDecision(asked, before)) return false;
      const { index: logIndex, entryId } = await this.log(tx, certificate, asked, now);
      await this.store.insert(tx, { serial: certificate.serial, ...asked, revokedAt: now, logIndex, entryId });
      await this.audit.append(tx, {
        actor: caller.name,
        action: 'certificate-revoked',
        subject: `certificate:${certificate.fingerprint}`,
        detail: { vendor: vendorId, ...describe(asked), entryId },
      });
      return true;
    });
  }

  private log(tx: Tx, { vendorId, fingerprint, serial, issuer }: IssuedCertificate, verdict: Verdict, now: Date) {
    return this.record.run(tx, {
      subject: `certificate:${fingerprint}`,
      vendorId,
      certificate: parseHex(fingerprint),
      payload: {
        record: 'certificate-revoked',
        at: wireTime(now),
        vendor: vendorId,
        issuer,
        serial,
        fingerprint,
        ...describe(verdict),
      },
    });
  }
}

function readVerdict({ reason, invalidityDate }: RevocationRequest, now: Date, notBefore: Date): Verdict {
  if (invalidityDate === undefined) return { reason };
  const date = findWireTime(invalidityDate);
  if (date === undefined) throw new RevocationFault('revocation/invalid-date', 'There is no such day or time.');
  checkInvalidityDate(date, now, notBefore);
  return { reason, invalidityDate: date };
}

function describe({ reason, invalidityDate }: Verdict): object {
  return { reason, ...(invalidityDate && { invalidityDate: wireTime(invalidityDate) }) };
}
