import { Injectable } from '@nestjs/common';
import { encodeBase64, encodeHex, parseHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import type { Certificate } from '@margo-trust/x509';
import { AuditTrail } from '../audit/audit-trail.store.ts';
import { Clock } from '../clock.ts';
import { type Committed, Db, type Tx } from '../db/db.ts';
import { AppendRecord } from '../log/append-record.ts';
import { VendorReader } from '../vendors/vendor.reader.ts';
import { wireTime } from '../wire-time.ts';
import type { CertificateOrder } from './certificate-order.ts';
import { CertificateFault } from './certificate.fault.ts';
import { type AuthorityName, CertificateReader, type Precertificate } from './certificate.reader.ts';
import { CertificateStore } from './certificate.store.ts';
import { type LeafDraft, shardOf, SignLeaf } from './sign-leaf.ts';

/**
 * Issues a signing certificate to an active vendor, as ordered. Returns its serial number. Who may order one is for the callers
 * to know: RequestCertificate, and ExchangeToken for builds.
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

  async run(order: CertificateOrder): Promise<string> {
    if (order.vendor.status !== 'active') throw vendorNotActive();
    const precertificate = await this.db.commit((tx) => this.announce(tx, order));
    await this.db.transaction((tx) => this.issue(tx, order, precertificate));
    return precertificate.serial;
  }

  /** Puts what the certificate will say on record, or finds what an earlier request has put there. */
  private async announce(tx: Tx, order: CertificateOrder): Promise<Precertificate> {
    const { vendor, key, assurance } = order;
    await this.store.lockIssuance(tx);
    const spkiSha256 = sha256(key.spki);
    if (await this.store.isKeyUsed(tx, spkiSha256)) throw keyUsed();
    const begun = await this.store.findPrecertificate(tx, spkiSha256);
    if (begun !== undefined) {
      if (begun.vendorId !== vendor.id || begun.assurance !== assurance) throw keyUsed();
      return begun;
    }

    // Read in this transaction: nothing is announced under a CA that has handed over.
    const issuer = await this.reader.loadActive('issuing', tx);
    const draft = await this.leaf.draft(issuer, order);
    const { index, entryId } = await this.logDraft(tx, order, issuer.name, draft);
    await this.refuseFallen(tx, order, issuer.name);
    const precertificate = {
      ...{ serial: draft.serialHex, spkiSha256, vendorId: vendor.id, assurance, issuer: issuer.name },
      shard: shardOf(parseHex(draft.serialHex)),
      ...{ tbs: draft.tbs, logIndex: index, entryId, loggedAt: this.clock.now() },
    };
    await this.store.insertPrecertificate(tx, precertificate);
    return precertificate;
  }

  private async issue(tx: Tx, order: CertificateOrder, logged: Committed<Precertificate>): Promise<void> {
    await this.store.lockIssuance(tx);
    const { serial, spkiSha256, vendorId, assurance, issuer, shard } = logged;
    if (await this.store.isKeyUsed(tx, spkiSha256)) throw keyUsed();
    // A database that another one took over from may have lost it since: then nothing is promised about it.
    if ((await this.store.findPrecertificate(tx, spkiSha256))?.entryId !== logged.entryId)
      throw new Error('The announcement is gone.');
    const certificate = await this.leaf.issue(logged);
    const { index, entryId } = await this.logCertificate(tx, order, logged, certificate);
    await this.refuseFallen(tx, order, issuer);

    const { fingerprint, der, notBefore, notAfter } = certificate;
    await this.store.insert(tx, {
      ...{ serial, fingerprint, spkiSha256, vendorId, assurance, issuer, shard, der, notBefore, notAfter },
      ...{ logIndex: index, entryId, issuedAt: this.clock.now() },
    });
    await this.audit.append(tx, {
      actor: order.actor,
      action: 'certificate-issued',
      subject: `certificate:${fingerprint}`,
      detail: { vendor: vendorId, serial, assurance, ...order.ground, entryId },
    });
  }

  /**
   * A record holds the head of the log, and a suspension or revocation would need it: asked after one, what stands goes
   * on to.
   */
  private async refuseFallen(tx: Tx, { vendor, key, confirm }: CertificateOrder, issuer: AuthorityName): Promise<void> {
    if (!(await this.vendors.activeAmong(tx, [vendor.id])).has(vendor.id)) throw vendorNotActive();
    if (await this.reader.isKeyRevoked(tx, sha256(key.spki))) {
      throw new CertificateFault('certificate/key-blocked', 'This key is revoked: make a new one.');
    }
    if (await this.store.isIssuerRevoked(tx, issuer)) {
      throw new CertificateFault(
        'certificate/issuer-revoked',
        'The issuing CA is revoked: it issues nothing any more.',
      );
    }
    await confirm?.(tx);
  }

  private logDraft(tx: Tx, order: CertificateOrder, issuer: AuthorityName, draft: LeafDraft) {
    const { assurance, ground, vendor } = order;
    const { tbs, serialHex, notBefore, notAfter, spki } = draft;
    return this.record.run(tx, {
      subject: `precertificate:${encodeHex(sha256(tbs))}`,
      vendorId: vendor.id,
      payload: {
        record: 'certificate-announced',
        at: wireTime(this.clock.now()),
        vendor: vendor.id,
        assurance,
        ...ground,
        issuer,
        serial: serialHex,
        spkiSha256: encodeHex(sha256(spki)),
        notBefore: wireTime(notBefore),
        notAfter: wireTime(notAfter),
        tbsCertificate: encodeBase64(tbs),
      },
    });
  }

  private logCertificate(
    tx: Tx,
    { assurance, ground }: CertificateOrder,
    { vendorId: vendor, issuer, entryId }: Precertificate,
    certificate: Certificate,
  ) {
    const { fingerprint, serialHex, notBefore, notAfter, der, spki } = certificate;
    return this.record.run(tx, {
      subject: `certificate:${fingerprint}`,
      vendorId: vendor,
      certificate: parseHex(fingerprint),
      payload: {
        record: 'certificate-issued',
        at: wireTime(this.clock.now()),
        vendor,
        assurance,
        ...ground,
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

function vendorNotActive(): CertificateFault {
  return new CertificateFault('certificate/vendor-not-active', 'Only an active vendor gets certificates.');
}

function keyUsed(): CertificateFault {
  return new CertificateFault('certificate/key-used', 'This key has been certified before: make a new one.');
}
