import { encodeBase64Url, encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { VerifiedPaths, type RegisteredAnchor, type SigningPath, type SigningTrust } from '@margo-trust/policy';
import type { Claims } from '@margo-trust/statement';
import { parseCertificate, readScts, removeScts, verifyPath } from '@margo-trust/x509';
import { AnchorRegister } from './anchor-register.ts';
import { refuseLoneDecision } from './approvals.ts';
import { findOverlap } from './claims-overlap.ts';
import { wrongEntry } from './fault.ts';
import type { Genesis } from './genesis.ts';
import type { CheckedRow } from './log-check.ts';
import type { RecordPayload } from './record.ts';
import { RevocationRegister } from './revocation-register.ts';
import { WorkloadBindings } from './workload-bindings.ts';

/** A vendor as the log says so far. */
export interface Vendor {
  readonly id: string;
  readonly uri: string;
  readonly subject: string;
  readonly claims: Claims;
  isSuspended: boolean;
  /** For good. */
  isRevoked: boolean;
}

interface IssuedCertificate {
  readonly vendor: string;
  /** SHA-256 of its SubjectPublicKeyInfo, hex. */
  readonly key: string;
  /** Name of the authority. */
  readonly issuer: string;
}

/** What a record means, and the vendor that it is about, if any. */
export type Rule = (record: RecordPayload, checked: CheckedRow) => string | undefined;

/**
 * Who may publish and what for, as the first log of a registry says so far: vendors with their claims and standing, authorities, certificates, registered
 * anchors, builds that may have certificates, and what is revoked. Every record that grants or removes trust is judged by what stands before it.
 */
export class TrustOnRecord {
  private verified: VerifiedPaths | undefined;
  private signing: SigningTrust = { anchors: [], issuing: [] };
  private readonly vendors = new Map<string, Vendor>();
  private readonly byUri = new Map<string, Vendor>();
  private readonly certificates = new Map<string, IssuedCertificate>();
  private readonly keys = new Set<string>();
  private readonly bindings = new WorkloadBindings();
  /** By fingerprint; without `entryId` once withdrawn. */
  private readonly openpgpKeys = new Map<string, { readonly vendor: string; readonly entryId?: string }>();
  private readonly anchors = new AnchorRegister();
  private readonly revocations = new RevocationRegister();
  /** Vendor of announced certificates and digest of what they say, by EntryID of the announcement. */
  private readonly announced = new Map<string, string>();

  /** By name of the record. Others change nothing that trust rests on. */
  readonly rules: Readonly<Record<string, Rule>> = {
    'authority-announced': (record, checked) => this.announceAuthority(record, checked),
    'vendor-admitted': (record, { index }) => this.admitVendor(record, index),
    'vendor-suspended': (record, { index }) => this.changeStanding(record, index, true),
    'vendor-reinstated': (record, { index }) => this.changeStanding(record, index, false),
    'certificate-announced': (record, checked) => this.announceCertificate(record, checked),
    'certificate-issued': (record, { index, row }) => this.issueCertificate(record, index, row.registeredAt),
    'certificate-revoked': (record, { index }) => this.revokeCertificates(record, [record.text('fingerprint')], index),
    'certificates-revoked': (record, { index }) => this.revokeCertificates(record, record.fingerprints(), index),
    'key-revoked': (record, { index }) => this.revoke(record, `key:${record.text('key')}`, index),
    'issuer-revoked': (record, { index }) => this.revoke(record, `issuer:${record.text('issuer')}`, index),
    'vendor-revoked': (record, { index }) => this.revokeVendor(record, index),
    'digest-revoked': (record, { index }) => this.revokeDigest(record, index),
    'anchor-registered': (record, checked) => this.registerAnchor(record, checked),
    'anchor-withdrawn': (record, { index }) => this.withdrawAnchor(record, index),
    'workload-bound': (record, { index, row }) => this.bindWorkload(record, index, encodeBase64Url(row.entry)),
    'workload-unbound': (record, { index }) => this.unbindWorkload(record, index),
    'openpgp-key-registered': (record, { index, row }) =>
      this.registerOpenpgpKey(record, index, encodeBase64Url(row.entry)),
    'openpgp-key-withdrawn': (record, { index }) => this.withdrawOpenpgpKey(record, index),
  };

  /** Takes what the second entry of the log says. */
  begin({ trust }: Genesis): void {
    this.trustSigning({
      anchors: trust.anchors.map(({ certificate }) => certificate),
      issuing: trust.intermediates,
    });
  }

  /** What has been verified under the authorities so far; undefined before genesis. */
  get paths(): VerifiedPaths | undefined {
    return this.verified;
  }

  findByUri(uri: string): Vendor | undefined {
    return this.byUri.get(uri);
  }

  /** The vendor that a record of any log of the registry speaks of. */
  loadVendor(record: RecordPayload, index: bigint): Vendor {
    const vendor = this.vendors.get(record.text('vendor'));
    if (!vendor) throw wrongEntry(index, `speaks of the vendor ${record.text('vendor')}, which was never admitted`);
    return vendor;
  }

  /** Anchors of vendors that signatures on artifacts count by. */
  registeredAnchors(): readonly RegisteredAnchor[] {
    return this.anchors.forSigning();
  }

  /** Whether what signed by this path is revoked; `fingerprint` is that of its certificate. */
  isRevoked(fingerprint: string, { path, anchor }: SigningPath): boolean {
    if (anchor) return path.some(({ spki }) => this.revocations.has(`key:${encodeHex(sha256(spki))}`));
    const certificate = this.certificates.get(fingerprint);
    const subjects = [`certificate:${fingerprint}`];
    if (certificate) subjects.push(`key:${certificate.key}`, `issuer:${certificate.issuer}`);
    return subjects.some((subject) => this.revocations.has(subject));
  }

  /** Whether one of these digests is withdrawn, for this vendor or for everybody. */
  isWithdrawn(digests: readonly string[], vendor: Vendor | undefined): boolean {
    return digests.some(
      (digest) => this.revocations.has(`digest:${digest}`) || this.revocations.has(`digest:${digest} of ${vendor?.id}`),
    );
  }

  /** A CA that was added after the founding: another anchor, or one below those there are. */
  private announceAuthority(record: RecordPayload, { index, row }: CheckedRow): undefined {
    const [role, der] = [record.text('role'), record.bytes('certificate')];
    if (record.text('fingerprint') !== encodeHex(sha256(der)))
      throw wrongEntry(index, 'names a fingerprint that is not its certificate’s');
    const { anchors, issuing } = this.signing;
    if (role === 'root') this.trustSigning({ anchors: [...anchors, der], issuing });
    if (role !== 'issuing') return;
    try {
      verifyPath({ leaf: der, intermediates: [], anchors, at: row.registeredAt });
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      throw wrongEntry(index, `announces a CA that leads to no anchor: ${cause.message}`);
    }
    this.trustSigning({ anchors, issuing: [...issuing, der] });
  }

  private trustSigning(trust: SigningTrust): void {
    this.signing = trust;
    this.verified = new VerifiedPaths(trust);
  }

  private admitVendor(record: RecordPayload, index: bigint): string {
    const [id, uri, subject, claims] = [record.text('vendor'), record.text('uri'), record.subject(), record.claims()];
    refuseLoneDecision(record, index, 'admits a vendor');
    if (this.vendors.has(id) || this.byUri.has(uri)) throw wrongEntry(index, `admits the vendor ${id} a second time`);
    for (const other of this.vendors.values()) {
      const taken = findOverlap(claims, other.claims);
      if (taken !== undefined) throw wrongEntry(index, `grants "${taken}", which overlaps with a claim of ${other.id}`);
      if (other.subject === subject) throw wrongEntry(index, `admits a vendor under the name of ${other.id}`);
    }
    const vendor = { id, uri, subject, claims, isSuspended: false, isRevoked: false };
    this.vendors.set(id, vendor);
    this.byUri.set(uri, vendor);
    return id;
  }

  private changeStanding(record: RecordPayload, index: bigint, isSuspension: boolean): string {
    const vendor = this.loadVendor(record, index);
    if (vendor.isSuspended === isSuspension) {
      throw wrongEntry(index, `${isSuspension ? 'suspends' : 'reinstates'} ${vendor.id}, which is so already`);
    }
    vendor.isSuspended = isSuspension;
    return vendor.id;
  }

  /** What a certificate will say is on record before it is signed (RFC 6962 §3.2). */
  private announceCertificate(record: RecordPayload, { index, row }: CheckedRow): string {
    const vendor = this.loadVendor(record, index);
    if (!isActive(vendor)) throw wrongEntry(index, `announces a certificate for ${vendor.id}, which is not active`);
    this.announced.set(encodeBase64Url(row.entry), announcement(vendor, record.bytes('tbsCertificate')));
    return vendor.id;
  }

  private issueCertificate(record: RecordPayload, index: bigint, at: Date): string {
    const vendor = this.loadVendor(record, index);
    const der = record.bytes('certificate');
    const fingerprint = encodeHex(sha256(der));
    if (!isActive(vendor)) throw wrongEntry(index, `issues a certificate to ${vendor.id}, which is not active`);
    if (record.text('fingerprint') !== fingerprint)
      throw wrongEntry(index, 'names a fingerprint that is not its certificate’s');
    let certificate: ReturnType<typeof parseCertificate>;
    try {
      certificate = parseCertificate(der);
      this.paths?.find([der], new Date(Math.max(at.getTime(), certificate.notBefore.getTime())));
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      throw wrongEntry(index, `issues a certificate that leads to no anchor: ${cause.message}`);
    }
    if (certificate.uriSans.length !== 1 || certificate.uriSans[0] !== vendor.uri) {
      throw wrongEntry(index, `issues a certificate for "${certificate.uriSans.join(' ')}" to ${vendor.uri}`);
    }
    const key = encodeHex(sha256(certificate.spki));
    const announced = record.optionalText('announced');
    const mustBe = announced !== undefined || readScts(certificate).length > 0;
    if (mustBe && this.announced.get(announced ?? '') !== announcement(vendor, removeScts(certificate.tbs))) {
      throw wrongEntry(index, 'issues a certificate that was not announced before');
    }
    if (this.keys.has(key) || this.anchors.holderOf(key) !== undefined) {
      throw wrongEntry(index, 'certifies a key a second time');
    }
    const issuer = record.text('issuer');
    if (this.revocations.has(`key:${key}`)) throw wrongEntry(index, 'certifies a key that is revoked');
    if (this.revocations.has(`issuer:${issuer}`))
      throw wrongEntry(index, `issues a certificate under ${issuer}, which is revoked`);
    const flaw = this.bindings.judge(certificate, vendor.id, record.optionalText('binding'));
    if (flaw !== undefined) throw wrongEntry(index, flaw);
    this.keys.add(key);
    this.certificates.set(fingerprint, { vendor: vendor.id, key, issuer });
    return vendor.id;
  }

  /** What a vendor brought along, decided by governance; judged again as it was then. */
  private registerAnchor(record: RecordPayload, { index, row, statement }: CheckedRow): string {
    const vendor = this.loadVendor(record, index);
    if (!statement) throw new Error('A record has a statement.');
    if (!isActive(vendor)) throw wrongEntry(index, `registers an anchor of ${vendor.id}, which is not active`);
    refuseLoneDecision(record, index, 'registers an anchor');
    const { at, entryId } = { at: row.registeredAt, entryId: encodeBase64Url(row.entry) };
    const flaw = this.anchors.register(
      entryId,
      statement.payload,
      { vendor, at },
      (key) => this.keys.has(key) || this.revocations.has(`key:${key}`),
    );
    if (flaw !== undefined) throw wrongEntry(index, flaw);
    return vendor.id;
  }

  private withdrawAnchor(record: RecordPayload, index: bigint): string {
    const vendor = this.loadVendor(record, index);
    const flaw = this.anchors.withdraw(record.text('anchor'), vendor.id);
    if (flaw !== undefined) throw wrongEntry(index, flaw);
    return vendor.id;
  }

  /** An owner's word that builds may have certificates of the vendor. */
  private bindWorkload(record: RecordPayload, index: bigint, entryId: string): string {
    const vendor = this.loadVendor(record, index);
    if (!isActive(vendor)) throw wrongEntry(index, `binds builds of ${vendor.id}, which is not active`);
    const rule = { vendor: vendor.id, issuer: record.text('issuer'), subject: record.text('subject') };
    const flaw = this.bindings.bind(entryId, rule);
    if (flaw !== undefined) throw wrongEntry(index, flaw);
    return vendor.id;
  }

  private unbindWorkload(record: RecordPayload, index: bigint): string {
    const vendor = this.loadVendor(record, index);
    const flaw = this.bindings.unbind(record.text('binding'), vendor.id);
    if (flaw !== undefined) throw wrongEntry(index, flaw);
    return vendor.id;
  }

  /** No decision rests on it; but it is of one vendor, and comes back for nobody. */
  private registerOpenpgpKey(record: RecordPayload, index: bigint, entryId: string): string {
    const vendor = this.loadVendor(record, index);
    if (!isActive(vendor)) throw wrongEntry(index, `registers an OpenPGP key of ${vendor.id}, which is not active`);
    const fingerprint = record.text('fingerprint');
    if (this.openpgpKeys.has(fingerprint))
      throw wrongEntry(index, `registers the OpenPGP key ${fingerprint} a second time`);
    this.openpgpKeys.set(fingerprint, { vendor: vendor.id, entryId });
    return vendor.id;
  }

  private withdrawOpenpgpKey(record: RecordPayload, index: bigint): string {
    const vendor = this.loadVendor(record, index);
    const key = this.openpgpKeys.get(record.text('fingerprint'));
    if (key?.vendor !== vendor.id || key.entryId !== record.text('registered')) {
      throw wrongEntry(index, 'withdraws an OpenPGP key that the vendor does not have');
    }
    this.openpgpKeys.set(record.text('fingerprint'), { vendor: vendor.id });
    return vendor.id;
  }

  /** The vendor, where it is the same of all. */
  private revokeCertificates(
    record: RecordPayload,
    fingerprints: readonly string[],
    index: bigint,
  ): string | undefined {
    const vendors = new Set<string>();
    for (const fingerprint of fingerprints) {
      const certificate = this.certificates.get(fingerprint);
      if (!certificate) throw wrongEntry(index, 'revokes a certificate that was never issued');
      this.revocations.add(record, `certificate:${fingerprint}`, index);
      vendors.add(certificate.vendor);
    }
    const [vendor, ...others] = vendors;
    return others.length === 0 ? vendor : undefined;
  }

  private revokeVendor(record: RecordPayload, index: bigint): string {
    const vendor = this.loadVendor(record, index);
    this.revocations.add(record, `vendor:${vendor.id}`, index);
    vendor.isRevoked = true;
    return vendor.id;
  }

  private revokeDigest(record: RecordPayload, index: bigint): string | undefined {
    const scope = record.optionalText('vendor') === undefined ? '' : ` of ${this.loadVendor(record, index).id}`;
    return this.revoke(record, `digest:${record.text('digest')}${scope}`, index);
  }

  private revoke(record: RecordPayload, subject: string, index: bigint): string | undefined {
    this.revocations.add(record, subject, index);
    return record.optionalText('vendor') === undefined ? undefined : this.loadVendor(record, index).id;
  }
}

export function isActive({ isSuspended, isRevoked }: Vendor): boolean {
  return !isSuspended && !isRevoked;
}

function announcement({ id }: Vendor, tbs: Uint8Array): string {
  return `${id} ${encodeHex(sha256(tbs))}`;
}
