import { Injectable } from '@nestjs/common';
import { encodeBase64, encodeHex, parseHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import type { CertificateRequest } from '@margo-trust/wire';
import type { Certificate } from '@margo-trust/x509';
import { AuditTrail } from '../audit/audit-trail.store.ts';
import { CallerFault } from '../callers/caller.fault.ts';
import type { Identity } from '../callers/identity.ts';
import { Clock } from '../clock.ts';
import { Db, type Tx } from '../db/db.ts';
import { AppendRecord } from '../log/append-record.ts';
import { VendorReader } from '../vendors/vendor.reader.ts';
import { wireTime } from '../wire-time.ts';
import { CertificateFault } from './certificate.fault.ts';
import { CertificateStore } from './certificate.store.ts';
import { readRequest } from './read-request.ts';
import { ISSUER, SHARD, SignLeaf } from './sign-leaf.ts';

/**
 * Issues a signing certificate to an active vendor. Returns its serial number.
 *
 * Certificate, its record in the log and its row are one transaction: a crash before the commit leaves a certificate that
 * nobody has seen, and none is handed out that is not logged.
 */
@Injectable()
export class IssueCertificate {
  constructor(
    private readonly db: Db,
    private readonly store: CertificateStore,
    private readonly vendors: VendorReader,
    private readonly leaf: SignLeaf,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
  ) {}

  async run(caller: Identity, vendorId: string, { csr, commonName }: CertificateRequest): Promise<string> {
    const vendor = await this.vendors.load(vendorId);
    if (!caller.hasRole(vendorId, 'owner', 'publisher')) {
      throw new CallerFault('caller/forbidden', "Only the vendor's owners and publishers may ask for certificates.");
    }
    if (vendor.status !== 'active') throw notActive();
    const key = readRequest(csr);

    return this.db.transaction(async (tx) => {
      await this.store.lockIssuance(tx);
      const spkiSha256 = sha256(key.spki);
      if (await this.store.isKeyUsed(tx, spkiSha256)) {
        throw new CertificateFault('certificate/key-used', 'This key has been certified before: make a new one.');
      }
      const certificate = await this.leaf.run(vendor, key, commonName ?? defaultName(vendor.legalName));
      const { index, entryId } = await this.log(tx, vendorId, certificate);
      // The record holds the head of the log, and a suspension would need it: what is active now stays so.
      if (!(await this.vendors.activeAmong(tx, [vendorId])).has(vendorId)) throw notActive();

      const { serialHex: serial, fingerprint, der, notBefore, notAfter } = certificate;
      await this.store.insert(tx, {
        ...{ serial, fingerprint, spkiSha256, vendorId, issuer: ISSUER, shard: SHARD, der, notBefore, notAfter },
        ...{ logIndex: index, entryId, issuedAt: this.clock.now() },
      });
      await this.audit.append(tx, {
        actor: caller.name,
        action: 'certificate-issued',
        subject: `certificate:${fingerprint}`,
        detail: { vendor: vendorId, serial, entryId },
      });
      return serial;
    });
  }

  private log(tx: Tx, vendor: string, certificate: Certificate): Promise<{ index: bigint; entryId: string }> {
    const { fingerprint, serialHex, notBefore, notAfter, der, spki } = certificate;
    return this.record.run(tx, {
      subject: `certificate:${fingerprint}`,
      vendorId: vendor,
      certificate: parseHex(fingerprint),
      payload: {
        record: 'certificate-issued',
        at: wireTime(this.clock.now()),
        vendor,
        issuer: ISSUER,
        serial: serialHex,
        fingerprint,
        spkiSha256: encodeHex(sha256(spki)),
        notBefore: wireTime(notBefore),
        notAfter: wireTime(notAfter),
        certificate: encodeBase64(der),
      },
    });
  }
}

/** CN has 64 characters, and the longest legal name fills them. */
function defaultName(legalName: string): string {
  const name = `${legalName} release signing`;
  return [...name].length <= 64 ? name : 'Release signing';
}

function notActive(): CertificateFault {
  return new CertificateFault('certificate/vendor-not-active', 'Only an active vendor gets certificates.');
}
