import { encodeBase64Url, encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import {
  decideAdmission,
  decideHashedRekord,
  parseRegistrationPolicy,
  type SigningTrust,
  VerifiedPaths,
  type RegistrationPolicy,
  type SigningPath,
} from '@margo-trust/policy';
import { parseHashedRekord, type HashedRekord } from '@margo-trust/sigstore';
import { CONTENT, type Claims, type Statement } from '@margo-trust/statement';
import type { VerifierKey } from '@margo-trust/tlog';
import { parseCertificate, readScts, removeScts, verifyPath } from '@margo-trust/x509';
import { AnchorRegister } from './anchor-register.ts';
import { findOverlap } from './claims-overlap.ts';
import { AuditorFault, type AuditorFaultCode } from './fault.ts';
import { readGenesis, verifyRecord, type Genesis } from './genesis.ts';
import type { CheckedRow } from './log-check.ts';
import { readGovernanceSeen, type GovernanceSeen } from './governance-seen.ts';
import { LogKeyHistory } from './log-keys.ts';
import { RecordPayload } from './record.ts';
import { WorkloadBindings } from './workload-bindings.ts';

/** What was decided again. */
export interface ReplayReport {
  /** Statements of vendors, admitted then and now. */
  readonly admissions: number;
  /** Statements of the registry: records, policies, anchors. */
  readonly records: number;
  /** What vendors signed with Sigstore tools, admitted then and now. */
  readonly raw: number;
  /** Statements that are no longer kept, so that nobody can decide about them again. */
  readonly erased: number;
  readonly policies: number;
}

/** The first log of the registry, as far as it is replayed: see `GovernanceReplay`. */
interface Governance {
  readonly replay: AdmissionReplay;
  meet(seen: GovernanceSeen): void;
}

interface Vendor {
  readonly id: string;
  readonly uri: string;
  readonly subject: string;
  readonly claims: Claims;
  isSuspended: boolean;
  /** For good. */
  isRevoked: boolean;
}

/** What a vendor had admitted: a statement, or by a Sigstore tool a signature. `issuer` is its URI. */
type Admitted = Statement | { readonly hashedRekord: HashedRekord; readonly issuer: string; readonly x5t: Uint8Array };

interface IssuedCertificate {
  readonly vendor: string;
  /** SHA-256 of its SubjectPublicKeyInfo, hex. */
  readonly key: string;
  /** Name of the authority. */
  readonly issuer: string;
}

/** From when on signatures do not count, and whether it is on the CRL. */
interface Revocation {
  readonly begin: number;
  readonly isOnCrl: boolean;
}

/** Records that a log has about itself, whichever it is. */
const OF_ANY_LOG = [
  'governance-seen',
  'log-frozen',
  'log-key',
  'statement-erased',
  'statement-released',
  'statement-restricted',
];
/** Governance members who must say yes to a vendor. */
const QUORUM = 2;
/** How long a statement may wait between its verification and its commit. */
const LONGEST_WAIT_MS = 60_000;
/** How far the clock of a replica may be ahead of the one that commits. */
const SKEW_MS = 5_000;
const KEEPS_OLDER = ['superseded', 'affiliationChanged', 'cessationOfOperation'];

/**
 * Takes every decision of a registry again, in order, from what its log says alone: policy as last committed, anchors,
 * vendors with their claims and standing, certificates issued and revoked, and the chain at the time of registration
 * (RFC 9943 §5.1.1: "replay"). The first decision that comes out otherwise is thrown, with both sides.
 *
 * Rows must come from a `LogCheck` over the same log, all of them, from the first one on.
 *
 * In a log that is not the first of its registry vendors, certificates and revocations are what the first one says at that place: see
 * `GovernanceReplay`. Nothing may grant or remove trust here.
 *
 * What this does not show: whom the registry refused, and what governance looked at before it agreed.
 */
export class AdmissionReplay {
  private readonly logKey: VerifierKey;
  private readonly governance: Governance | undefined;
  private readonly opening: CheckedRow[] = [];
  private genesis: Genesis | undefined;
  private history: LogKeyHistory | undefined;
  private policy: { readonly index: bigint; readonly document: RegistrationPolicy } | undefined;
  private paths: VerifiedPaths | undefined;
  private signing: SigningTrust = { anchors: [], issuing: [] };
  private readonly vendors = new Map<string, Vendor>();
  private readonly byUri = new Map<string, Vendor>();
  private readonly certificates = new Map<string, IssuedCertificate>();
  private readonly keys = new Set<string>();
  private readonly bindings = new WorkloadBindings();
  /** By fingerprint; without `entryId` once withdrawn. */
  private readonly openpgpKeys = new Map<string, { readonly vendor: string; readonly entryId?: string }>();
  private readonly anchors = new AnchorRegister();
  /** By `certificate:<fingerprint>`, `key:…`, `issuer:…`, `vendor:…`, `digest:…`, the last with ` of <vendor>` where only its signatures are meant. */
  private readonly revocations = new Map<string, Revocation>();
  /** Vendor of announced certificates and digest of what they say, by EntryID of the announcement. */
  private readonly announced = new Map<string, string>();
  /** By EntryID: rows without statement, and what the records say of them by now. */
  private readonly missing = new Map<string, CheckedRow>();
  private readonly withheld = new Set<string>();
  private closedAt: bigint | undefined;
  private lastRegisteredAt = new Date(0);
  private readonly counts = { admissions: 0, records: 0, raw: 0, erased: 0, policies: 1 };
  /** An admission that the policy of its time refuses: held until the end, since a later policy may explain it. */
  private refused:
    { readonly checked: CheckedRow; readonly admitted: Admitted; readonly fault: AuditorFault } | undefined;

  /** `governance` is the first log beside this one, where this is another; then who may publish is looked up there. */
  constructor(logKey: VerifierKey, governance?: Governance) {
    this.logKey = logKey;
    this.governance = governance;
  }

  add(rows: readonly CheckedRow[]): void {
    for (const row of rows) this.addRow(row);
  }

  /** The log's keys as its records tell, once the first two rows are there. */
  get logKeys(): LogKeyHistory | undefined {
    return this.history;
  }

  /** What was replayed; throws what was held back. */
  conclude(): ReplayReport {
    if (this.refused) throw this.refused.fault;
    if (!this.genesis)
      throw new AuditorFault('audit/wrong-genesis', 'A log begins with two entries, and this has less.');
    for (const [entryId, { index }] of this.missing) {
      if (this.withheld.has(entryId)) continue;
      const what = 'is shown without its statement, and no record up to this checkpoint says that it is withheld';
      throw wrong(index, what, 'audit/unexplained-erasure');
    }
    return this.counts;
  }

  private addRow(checked: CheckedRow): void {
    const { index, row, statement } = checked;
    if (!this.genesis || !this.history) return this.open(checked);
    if (this.refused) return this.explain(checked, this.refused);
    if (row.kind === 'raw') this.admit(checked, readHashedRekord(checked));
    else if (!statement) this.noteErased(checked);
    else if (statement.issuer === this.genesis.trust.registry) this.addRecord(checked, statement, this.genesis);
    else this.admit(checked, statement);
    this.history.add(checked);
    if (row.registeredAt > this.lastRegisteredAt) this.lastRegisteredAt = row.registeredAt;
    else if (row.registeredAt < this.lastRegisteredAt) {
      throw wrong(index, `was registered before the one in front of it`);
    }
  }

  private open(checked: CheckedRow): void {
    this.opening.push(checked);
    if (this.opening.length < 2) return;
    this.genesis = readGenesis(this.opening, this.logKey);
    this.refuseOtherPlace(this.genesis);
    this.history = new LogKeyHistory(this.genesis);
    const { policy, trust } = this.genesis;
    this.policy = { index: 0n, document: policy };
    this.trustSigning({
      anchors: trust.anchors.map(({ certificate }) => certificate),
      issuing: trust.intermediates,
    });
    this.counts.records = 2;
    this.lastRegisteredAt = checked.row.registeredAt;
  }

  private refuseOtherPlace({ trust }: Genesis): void {
    const isFirst = trust.logs[0]?.origin === this.logKey.name;
    if (isFirst === (this.governance === undefined)) return;
    const message = isFirst
      ? `${this.logKey.name} is the first log of its registry: no other one says who may publish here.`
      : `${this.logKey.name} is not the first log of its registry: that one must be replayed beside it.`;
    throw new AuditorFault('audit/wrong-genesis', message);
  }

  /** Where it is on record who may publish. */
  private get law(): AdmissionReplay {
    return this.governance?.replay ?? this;
  }

  private noteErased(checked: CheckedRow): void {
    const { index, row } = checked;
    if (row.issuer === this.genesis?.trust.registry) {
      const what = 'is a statement of the registry itself and is not shown: nobody can follow its decisions';
      throw wrong(index, what, 'audit/unexplained-erasure');
    }
    this.missing.set(encodeBase64Url(row.entry), checked);
    this.counts.erased += 1;
  }

  private admit(checked: CheckedRow, admitted: Admitted): void {
    const { index, row } = checked;
    if (!this.law.paths) throw wrong(index, 'is admitted before the log says what that rests on');
    if (this.closedAt !== undefined) {
      const message = `Entry ${index} is a vendor’s and comes after the record at entry ${this.closedAt} that closed this log for those.`;
      throw new AuditorFault('audit/after-freeze', message, { index });
    }
    const refusal = this.decide(checked, admitted);
    if (refusal) {
      const { index: from, document } = this.policyNow();
      const message = `Entry ${index} was admitted; by the policy of entry ${from} (version ${document.version}) it is refused: ${refusal.code}: ${refusal.message}`;
      const fault = new AuditorFault('audit/wrong-admission', message, { index, cause: refusal });
      this.refused = { checked, admitted, fault };
      return;
    }
    const vendor = this.law.byUri.get(admitted.issuer);
    if (row.vendorId !== vendor?.id) {
      throw wrong(
        index,
        `is shown as of the vendor "${row.vendorId ?? ''}", and is of "${vendor?.id ?? ''}"`,
        'audit/wrong-facts',
      );
    }
    if (row.kind === 'raw') this.counts.raw += 1;
    else this.counts.admissions += 1;
  }

  private decide({ row }: CheckedRow, admitted: Admitted, policy = this.policyNow().document): Fault | undefined {
    const { law } = this;
    const { paths } = law;
    if (!paths) throw new Error('Nothing is decided before genesis.');
    const vendor = law.byUri.get(admitted.issuer);
    const { x5t } = admitted;
    const isRevoked = (path: SigningPath) => x5t !== undefined && law.isRevoked(encodeHex(x5t), path);
    const isWithdrawn = (digests: readonly string[]) =>
      digests.some(
        (digest) => law.revocations.has(`digest:${digest}`) || law.revocations.has(`digest:${digest} of ${vendor?.id}`),
      );
    const decideAt = (at: Date) => {
      const facts = {
        policy,
        at,
        paths,
        anchors: law.anchors.forSigning(),
        vendor: vendor && { ...vendor, isActive: isActive(vendor) },
        isRevoked,
        isWithdrawn,
      };
      return 'hashedRekord' in admitted
        ? decideHashedRekord(admitted.hashedRekord, facts)
        : decideAdmission(admitted, facts);
    };
    const refusal = decideAt(row.registeredAt);
    // The chain is judged when the statement comes in, shortly before it is committed.
    if (refusal?.code !== 'x509/expired') return refusal;
    return decideAt(new Date(row.registeredAt.getTime() - LONGEST_WAIT_MS));
  }

  private isRevoked(fingerprint: string, { path, anchor }: SigningPath): boolean {
    if (anchor) return path.some(({ spki }) => this.revocations.has(`key:${encodeHex(sha256(spki))}`));
    const certificate = this.certificates.get(fingerprint);
    const subjects = [`certificate:${fingerprint}`];
    if (certificate) subjects.push(`key:${certificate.key}`, `issuer:${certificate.issuer}`);
    return subjects.some((subject) => this.revocations.has(subject));
  }

  /** Looks for a later policy under which the admission would have been right: then that one was applied before it counted. */
  private explain(
    { index, statement }: CheckedRow,
    { checked, admitted, fault }: NonNullable<typeof this.refused>,
  ): void {
    if (statement?.contentType !== CONTENT.policy) return;
    const policy = this.readPolicy(index, statement);
    if (this.decide(checked, admitted, policy)) return;
    throw new AuditorFault(
      'audit/back-dated-policy',
      `${fault.message} Only the policy of entry ${index} (version ${policy.version}) admits it, and that was committed later.`,
      { index: checked.index, cause: fault },
    );
  }

  private addRecord(checked: CheckedRow, statement: Statement, { trust }: Genesis): void {
    const { index, row } = checked;
    verifyRecord(index, statement, trust.registry, this.history?.recordKeysAt(index) ?? []);
    this.refuseOtherTime(index, statement, row.registeredAt);
    this.counts.records += 1;
    if (statement.contentType === CONTENT.policy) return this.changePolicy(index, statement);
    if (statement.contentType !== CONTENT.record) return;
    const record = new RecordPayload(statement.payload, index);
    const apply = this.rules[record.name];
    if (!apply) return;
    if (this.governance && !OF_ANY_LOG.includes(record.name)) {
      throw wrong(index, `is a record "${record.name}", which counts in the first log only`);
    }
    const about = apply(record, checked);
    if (row.vendorId !== about) {
      throw wrong(
        index,
        `is shown as of the vendor "${row.vendorId ?? ''}", and speaks of "${about ?? ''}"`,
        'audit/wrong-facts',
      );
    }
  }

  /** The registry writes the time of the commit into what it signs. */
  private refuseOtherTime(index: bigint, { issuedAt, contentType }: Statement, registeredAt: Date): void {
    const isEarly = issuedAt && issuedAt.getTime() + 1000 < this.lastRegisteredAt.getTime() - LONGEST_WAIT_MS;
    const isLate = issuedAt && issuedAt.getTime() > registeredAt.getTime() + SKEW_MS;
    if (issuedAt && !isEarly && !isLate) return;
    const code = contentType === CONTENT.policy ? 'audit/back-dated-policy' : 'audit/wrong-admission';
    const said = issuedAt ? `says it was made at ${issuedAt.toISOString()}` : 'does not say when it was made';
    throw wrong(index, `${said}, and was committed at ${registeredAt.toISOString()}`, code);
  }

  private changePolicy(index: bigint, statement: Statement): void {
    const policy = this.readPolicy(index, statement);
    const { document, index: from } = this.policyNow();
    if (policy.version !== document.version + 1) {
      const what = `is a policy of version ${policy.version}, after version ${document.version} at entry ${from}`;
      throw wrong(index, what, 'audit/back-dated-policy');
    }
    this.policy = { index, document: policy };
    this.counts.policies += 1;
  }

  private readPolicy(index: bigint, statement: Statement): RegistrationPolicy {
    try {
      return parseRegistrationPolicy(statement.payload);
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      throw wrong(index, `is no registration policy: ${cause.message}`);
    }
  }

  private policyNow(): NonNullable<typeof this.policy> {
    if (!this.policy) throw new Error('There is a policy from the first entry on.');
    return this.policy;
  }

  /** What each record means, and the vendor that it is about, if any. Others change nothing that a decision rests on. */
  private readonly rules: Readonly<Record<string, (record: RecordPayload, checked: CheckedRow) => string | undefined>> =
    {
      'authority-announced': (record, checked) => this.announceAuthority(record, checked),
      'vendor-admitted': (record, { index }) => this.admitVendor(record, index),
      'vendor-suspended': (record, { index }) => this.changeStanding(record, index, true),
      'vendor-reinstated': (record, { index }) => this.changeStanding(record, index, false),
      'certificate-announced': (record, checked) => this.announceCertificate(record, checked),
      'certificate-issued': (record, { index, row }) => this.issueCertificate(record, index, row.registeredAt),
      'certificate-revoked': (record, { index }) =>
        this.revokeCertificates(record, [record.text('fingerprint')], index),
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
      'statement-restricted': (record, { index }) => this.withhold(record, index),
      'statement-released': (record, { index }) => this.release(record, index),
      'statement-erased': (record, { index }) => this.erase(record, index),
      'log-key': (record, { index }) => refuseLoneDecision(record, index, 'replaces a key of the log'),
      'log-frozen': (record, { index }) => refuseLoneDecision(record, index, 'freezes a log'),
      'log-closed': (record, { index }) => this.close(record, index),
      'log-opened': (record, { index }) => refuseLoneDecision(record, index, 'opens a log'),
      'log-retired': (record, { index }) => refuseLoneDecision(record, index, 'retires a log'),
      'governance-seen': (_record, checked) => this.meetGovernance(checked),
    };

  /** Of the first log, which goes on with records. */
  private close(record: RecordPayload, index: bigint): undefined {
    if (record.text('log') !== this.logKey.name)
      throw wrong(index, `closes ${record.text('log')}, which is another log`);
    this.closedAt ??= index;
    return refuseLoneDecision(record, index, 'closes the log for statements');
  }

  private meetGovernance(checked: CheckedRow): undefined {
    const { index } = checked;
    if (!this.governance) throw wrong(index, 'rests on another log, and this is the first');
    const seen = readGovernanceSeen(checked);
    if (!seen) throw wrong(index, 'does not say what it rests on');
    this.governance.meet(seen);
    return undefined;
  }

  /** A CA that was added after the founding: another anchor, or one below those there are. */
  private announceAuthority(record: RecordPayload, { index, row }: CheckedRow): undefined {
    const [role, der] = [record.text('role'), record.bytes('certificate')];
    if (record.text('fingerprint') !== encodeHex(sha256(der)))
      throw wrong(index, 'names a fingerprint that is not its certificate’s');
    const { anchors, issuing } = this.signing;
    if (role === 'root') this.trustSigning({ anchors: [...anchors, der], issuing });
    if (role !== 'issuing') return;
    try {
      verifyPath({ leaf: der, intermediates: [], anchors, at: row.registeredAt });
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      throw wrong(index, `announces a CA that leads to no anchor: ${cause.message}`);
    }
    this.trustSigning({ anchors, issuing: [...issuing, der] });
  }

  private trustSigning(trust: SigningTrust): void {
    this.signing = trust;
    this.paths = new VerifiedPaths(trust);
  }

  private admitVendor(record: RecordPayload, index: bigint): string {
    const [id, uri, subject, claims] = [record.text('vendor'), record.text('uri'), record.subject(), record.claims()];
    if (record.count('approvals') < QUORUM) throw wrong(index, `admits a vendor with less than ${QUORUM} approvals`);
    if (this.vendors.has(id) || this.byUri.has(uri)) throw wrong(index, `admits the vendor ${id} a second time`);
    for (const other of this.vendors.values()) {
      const taken = findOverlap(claims, other.claims);
      if (taken !== undefined) throw wrong(index, `grants "${taken}", which overlaps with a claim of ${other.id}`);
      if (other.subject === subject) throw wrong(index, `admits a vendor under the name of ${other.id}`);
    }
    const vendor = { id, uri, subject, claims, isSuspended: false, isRevoked: false };
    this.vendors.set(id, vendor);
    this.byUri.set(uri, vendor);
    return id;
  }

  private changeStanding(record: RecordPayload, index: bigint, isSuspension: boolean): string {
    const vendor = this.loadVendor(record, index);
    if (vendor.isSuspended === isSuspension) {
      throw wrong(index, `${isSuspension ? 'suspends' : 'reinstates'} ${vendor.id}, which is so already`);
    }
    vendor.isSuspended = isSuspension;
    return vendor.id;
  }

  /** What a certificate will say is on record before it is signed (RFC 6962 §3.2). */
  private announceCertificate(record: RecordPayload, { index, row }: CheckedRow): string {
    const vendor = this.loadVendor(record, index);
    if (!isActive(vendor)) throw wrong(index, `announces a certificate for ${vendor.id}, which is not active`);
    this.announced.set(encodeBase64Url(row.entry), announcement(vendor, record.bytes('tbsCertificate')));
    return vendor.id;
  }

  private issueCertificate(record: RecordPayload, index: bigint, at: Date): string {
    const vendor = this.loadVendor(record, index);
    const der = record.bytes('certificate');
    const fingerprint = encodeHex(sha256(der));
    if (!isActive(vendor)) throw wrong(index, `issues a certificate to ${vendor.id}, which is not active`);
    if (record.text('fingerprint') !== fingerprint)
      throw wrong(index, 'names a fingerprint that is not its certificate’s');
    let certificate: ReturnType<typeof parseCertificate>;
    try {
      certificate = parseCertificate(der);
      this.paths?.find([der], new Date(Math.max(at.getTime(), certificate.notBefore.getTime())));
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      throw wrong(index, `issues a certificate that leads to no anchor: ${cause.message}`);
    }
    if (certificate.uriSans.length !== 1 || certificate.uriSans[0] !== vendor.uri) {
      throw wrong(index, `issues a certificate for "${certificate.uriSans.join(' ')}" to ${vendor.uri}`);
    }
    const key = encodeHex(sha256(certificate.spki));
    const announced = record.optionalText('announced');
    const mustBe = announced !== undefined || readScts(certificate).length > 0;
    if (mustBe && this.announced.get(announced ?? '') !== announcement(vendor, removeScts(certificate.tbs))) {
      throw wrong(index, 'issues a certificate that was not announced before');
    }
    if (this.keys.has(key) || this.anchors.holderOf(key) !== undefined) {
      throw wrong(index, 'certifies a key a second time');
    }
    const issuer = record.text('issuer');
    if (this.revocations.has(`key:${key}`)) throw wrong(index, 'certifies a key that is revoked');
    if (this.revocations.has(`issuer:${issuer}`))
      throw wrong(index, `issues a certificate under ${issuer}, which is revoked`);
    const flaw = this.bindings.judge(certificate, vendor.id, record.optionalText('binding'));
    if (flaw !== undefined) throw wrong(index, flaw);
    this.keys.add(key);
    this.certificates.set(fingerprint, { vendor: vendor.id, key, issuer });
    return vendor.id;
  }

  /** What a vendor brought along, decided by governance; judged again as it was then. */
  private registerAnchor(record: RecordPayload, { index, row, statement }: CheckedRow): string {
    const vendor = this.loadVendor(record, index);
    if (!statement) throw new Error('A record has a statement.');
    if (!isActive(vendor)) throw wrong(index, `registers an anchor of ${vendor.id}, which is not active`);
    if (record.count('approvals') < QUORUM)
      throw wrong(index, `registers an anchor with less than ${QUORUM} approvals`);
    const { at, entryId } = { at: row.registeredAt, entryId: encodeBase64Url(row.entry) };
    const flaw = this.anchors.register(
      entryId,
      statement.payload,
      { vendor, at },
      (key) => this.keys.has(key) || this.revocations.has(`key:${key}`),
    );
    if (flaw !== undefined) throw wrong(index, flaw);
    return vendor.id;
  }

  private withdrawAnchor(record: RecordPayload, index: bigint): string {
    const vendor = this.loadVendor(record, index);
    const flaw = this.anchors.withdraw(record.text('anchor'), vendor.id);
    if (flaw !== undefined) throw wrong(index, flaw);
    return vendor.id;
  }

  /** An owner's word that builds may have certificates of the vendor. */
  private bindWorkload(record: RecordPayload, index: bigint, entryId: string): string {
    const vendor = this.loadVendor(record, index);
    if (!isActive(vendor)) throw wrong(index, `binds builds of ${vendor.id}, which is not active`);
    const rule = { vendor: vendor.id, issuer: record.text('issuer'), subject: record.text('subject') };
    const flaw = this.bindings.bind(entryId, rule);
    if (flaw !== undefined) throw wrong(index, flaw);
    return vendor.id;
  }

  private unbindWorkload(record: RecordPayload, index: bigint): string {
    const vendor = this.loadVendor(record, index);
    const flaw = this.bindings.unbind(record.text('binding'), vendor.id);
    if (flaw !== undefined) throw wrong(index, flaw);
    return vendor.id;
  }

  /** No decision rests on it; but it is of one vendor, and comes back for nobody. */
  private registerOpenpgpKey(record: RecordPayload, index: bigint, entryId: string): string {
    const vendor = this.loadVendor(record, index);
    if (!isActive(vendor)) throw wrong(index, `registers an OpenPGP key of ${vendor.id}, which is not active`);
    const fingerprint = record.text('fingerprint');
    if (this.openpgpKeys.has(fingerprint)) throw wrong(index, `registers the OpenPGP key ${fingerprint} a second time`);
    this.openpgpKeys.set(fingerprint, { vendor: vendor.id, entryId });
    return vendor.id;
  }

  private withdrawOpenpgpKey(record: RecordPayload, index: bigint): string {
    const vendor = this.loadVendor(record, index);
    const key = this.openpgpKeys.get(record.text('fingerprint'));
    if (key?.vendor !== vendor.id || key.entryId !== record.text('registered')) {
      throw wrong(index, 'withdraws an OpenPGP key that the vendor does not have');
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
      if (!certificate) throw wrong(index, 'revokes a certificate that was never issued');
      this.narrowOrWiden(record, `certificate:${fingerprint}`, index);
      vendors.add(certificate.vendor);
    }
    const [vendor, ...others] = vendors;
    return others.length === 0 ? vendor : undefined;
  }

  private revokeVendor(record: RecordPayload, index: bigint): string {
    const vendor = this.loadVendor(record, index);
    this.narrowOrWiden(record, `vendor:${vendor.id}`, index);
    vendor.isRevoked = true;
    return vendor.id;
  }

  private revokeDigest(record: RecordPayload, index: bigint): string | undefined {
    const scope = record.optionalText('vendor') === undefined ? '' : ` of ${this.loadVendor(record, index).id}`;
    return this.revoke(record, `digest:${record.text('digest')}${scope}`, index);
  }

  private revoke(record: RecordPayload, subject: string, index: bigint): string | undefined {
    this.narrowOrWiden(record, subject, index);
    return record.optionalText('vendor') === undefined ? undefined : this.loadVendor(record, index).id;
  }

  private narrowOrWiden(record: RecordPayload, subject: string, index: bigint): void {
    const revocation = readRevocation(record);
    const before = this.revocations.get(subject);
    const isNarrower = before && (revocation.begin > before.begin || (before.isOnCrl && !revocation.isOnCrl));
    if (isNarrower && record.optionalCount('approvals', 1) < QUORUM) {
      throw wrong(index, 'would trust signatures again that an earlier revocation refuses');
    }
    this.revocations.set(subject, revocation);
  }

  private erase(record: RecordPayload, index: bigint): string {
    if (record.count('approvals') < QUORUM) throw wrong(index, `erases a statement with less than ${QUORUM} approvals`);
    return this.withhold(record, index);
  }

  private withhold(record: RecordPayload, index: bigint): string {
    const entryId = record.text('entry');
    const missing = this.missing.get(entryId);
    if (missing && record.text('index') !== missing.index.toString()) {
      throw wrong(index, `says that it withholds entry ${record.text('index')}, and that is entry ${missing.index}`);
    }
    this.withheld.add(entryId);
    return this.loadVendor(record, index).id;
  }

  private release(record: RecordPayload, index: bigint): string {
    this.withheld.delete(record.text('entry'));
    return this.loadVendor(record, index).id;
  }

  private loadVendor(record: RecordPayload, index: bigint): Vendor {
    const vendor = this.law.vendors.get(record.text('vendor'));
    if (!vendor) throw wrong(index, `speaks of the vendor ${record.text('vendor')}, which was never admitted`);
    return vendor;
  }
}

function isActive({ isSuspended, isRevoked }: Vendor): boolean {
  return !isSuspended && !isRevoked;
}

/** About no vendor. The keys themselves are followed by LogKeyHistory. */
function refuseLoneDecision(record: RecordPayload, index: bigint, what: string): undefined {
  if (record.count('approvals') < QUORUM) throw wrong(index, `${what} with less than ${QUORUM} approvals`);
  return undefined;
}

function announcement({ id }: Vendor, tbs: Uint8Array): string {
  return `${id} ${encodeHex(sha256(tbs))}`;
}

/** A leaf that is not a statement's digest is a canonical hashedrekord: nothing else is ever admitted. */
function readHashedRekord({ index, leaf }: CheckedRow): Admitted {
  try {
    const hashedRekord = parseHashedRekord(leaf);
    const { certificate } = hashedRekord;
    return { hashedRekord, issuer: parseCertificate(certificate).uriSans[0] ?? '', x5t: sha256(certificate) };
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw wrong(index, `is neither a statement nor what a Sigstore tool logs: ${cause.message}`);
  }
}

function readRevocation(record: RecordPayload): Revocation {
  const reason = record.text('reason');
  const decided = KEEPS_OLDER.includes(reason) ? record.time('at').getTime() : -Infinity;
  const begin = record.optionalText('invalidityDate') === undefined ? decided : record.time('invalidityDate').getTime();
  return { begin, isOnCrl: reason !== 'superseded' };
}

function wrong(index: bigint, what: string, code: AuditorFaultCode = 'audit/wrong-admission'): AuditorFault {
  return new AuditorFault(code, `Entry ${index} ${what}.`, { index });
}
