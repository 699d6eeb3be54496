import { Injectable } from '@nestjs/common';
import { encodeBase64, encodeHex, parseHex } from '@margo-trust/bytes';
import { type PublicKey, sha256 } from '@margo-trust/crypto';
import type { CertificateRequest } from '@margo-trust/wire';
import type { Certificate } from '@margo-trust/x509';
import { AuditTrail } from '../audit/audit-trail.store.ts';
import { CallerFault } from '../callers/caller.fault.ts';
import type { Identity } from '../callers/identity.ts';
import { Clock } from '../clock.ts';
import { type Committed, Db, type Tx } from '../db/db.ts';
import { AppendRecord } from '../log/append-record.ts';
import { type PublishingVendor, VendorReader } from '../vendors/vendor.reader.ts';
import { wireTime } from '../wire-time.ts';
import { CertificateFault } from './certificate.fault.ts';
import { type AuthorityName, CertificateReader, type Precertificate } from './certificate.reader.ts';
import { CertificateStore } from './certificate.store.ts';
import { readRequest } from './read-request.ts';
import { type LeafDraft, SHARD, SignLeaf } from './sign-leaf.ts';

/**
 * Issues a signing certificate to an active vendor. Returns its serial number.
 *
 * Log, then SCT, then certificate: no other order has the types. What the certificate will say is logged and committed; only
 * then does the log promise that it is, and only with that promise does the CA sign. Certificate, its own record and its row
 * are a second transaction, so none is handed out whose fingerprint is not logged either.
 *
 * A crash in between leaves a logged precertificate and no certificate that anybody has seen; whoever asks again for the same
 * key gets what was logged then, its name included.
 */
@Injectable()
export class IssueCertificate {
  constructor(
    private readonly db: Db,
    private readonly reader: CertificateReader,
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

    const precertificate = await this.db.commit((tx) =>
      this.announce(tx, vendor, key, commonName ?? defaultName(vendor.legalName)),
    );
    await this.db.transaction((tx) => this.issue(tx, caller, precertificate));
    return precertificate.serial;
  }

  /** Puts what the certificate will say on record, or finds what an earlier request has put there. */
  private async announce(tx: Tx, vendor: PublishingVendor, key: PublicKey, name: string): Promise<Precertificate> {
    await this.store.lockIssuance(tx);
    const spkiSha256 = sha256(key.spki);
    if (await this.store.isKeyUsed(tx, spkiSha256)) throw keyUsed();
    const begun = await this.store.findPrecertificate(tx, spkiSha256);
    if (begun !== undefined) {
      if (begun.vendorId !== vendor.id) throw keyUsed();
      return begun;
    }

    // Read in this transaction: nothing is announced under a CA that has handed over.
    const issuer = await this.reader.loadActive('issuing', tx);
    const draft = await this.leaf.draft(issuer, vendor, key, name);
    const { index, entryId } = await this.logDraft(tx, vendor.id, issuer.name, draft);
    await this.refuseInactive(tx, vendor.id);
    const precertificate = {
      ...{
        serial: draft.serialHex,
        spkiSha256,
        vendorId: vendor.id,
        issuer: issuer.name,
        shard: SHARD,
        tbs: draft.tbs,
      },
      ...{ logIndex: index, entryId, loggedAt: this.clock.now() },
    };
    await this.store.insertPrecertificate(tx, precertificate);
    return precertificate;
  }

  private async issue(tx: Tx, caller: Identity, logged: Committed<Precertificate>): Promise<void> {
    await this.store.lockIssuance(tx);
    const { serial, spkiSha256, vendorId, issuer, shard } = logged;
    if (await this.store.isKeyUsed(tx, spkiSha256)) throw keyUsed();
    // A database that another one took over from may have lost it since: then nothing is promised about it.
    if ((await this.store.findPrecertificate(tx, spkiSha256))?.entryId !== logged.entryId)
      throw new Error('The announcement is gone.');
    const certificate = await this.leaf.issue(logged);
    const { index, entryId } = await this.logCertificate(tx, logged, certificate);
    await this.refuseInactive(tx, vendorId);

    const { fingerprint, der, notBefore, notAfter } = certificate;
    await this.store.insert(tx, {
      ...{ serial, fingerprint, spkiSha256, vendorId, issuer, shard, der, notBefore, notAfter },
      ...{ logIndex: index, entryId, issuedAt: this.clock.now() },
    });
    await this.audit.append(tx, {
      actor: caller.name,
      action: 'certificate-issued',
      subject: `certificate:${fingerprint}`,
      detail: { vendor: vendorId, serial, entryId },
    });
  }

  /** A record holds the head of the log, and a suspension would need it: asked after one, what is active stays so. */
  private async refuseInactive(tx: Tx, vendorId: string): Promise<void> {
    if (!(await this.vendors.activeAmong(tx, [vendorId])).has(vendorId)) throw notActive();
  }

  private logDraft(tx: Tx, vendor: string, issuer: AuthorityName, draft: LeafDraft) {
    const { tbs, serialHex, notBefore, notAfter, spki } = draft;
    return this.record.run(tx, {
      subject: `precertificate:${encodeHex(sha256(tbs))}`,
      vendorId: vendor,
      payload: {
        record: 'certificate-announced',
        at: wireTime(this.clock.now()),
        vendor,
        issuer,
        serial: serialHex,
        spkiSha256: encodeHex(sha256(spki)),
        notBefore: wireTime(notBefore),
        notAfter: wireTime(notAfter),
        tbsCertificate: encodeBase64(tbs),
      },
    });
  }

  private logCertificate(tx: Tx, { vendorId: vendor, issuer, entryId }: Precertificate, certificate: Certificate) {
    const { fingerprint, serialHex, notBefore, notAfter, der, spki } = certificate;
    return this.record.run(tx, {
      subject: `certificate:${fingerprint}`,
      vendorId: vendor,
      certificate: parseHex(fingerprint),
      payload: {
        record: 'certificate-issued',
        at: wireTime(this.clock.now()),
        vendor,
        issuer,
        serial: serialHex,
        fingerprint,
        spkiSha256: encodeHex(sha256(spki)),
        notBefore: wireTime(notBefore),
        notAfter: wireTime(notAfter),
        announced: entryId,
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

function keyUsed(): CertificateFault {
  return new CertificateFault('certificate/key-used', 'This key has been certified before: make a new one.');
}
