import { encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import {
  decideAdmission,
  decideHashedRekord,
  parseRegistrationPolicy,
  type RegistrationPolicy,
  type SigningPath,
} from '@margo-trust/policy';
import { parseHashedRekord, type HashedRekord } from '@margo-trust/sigstore';
import { CONTENT, type Statement } from '@margo-trust/statement';
import type { VerifierKey } from '@margo-trust/tlog';
import { parseCertificate } from '@margo-trust/x509';
import { refuseLoneDecision } from './approvals.ts';
import { AuditorFault, wrongEntry } from './fault.ts';
import { readGenesis, verifyRecord, type Genesis } from './genesis.ts';
import { readGovernanceSeen, type GovernanceSeen } from './governance-seen.ts';
import type { CheckedRow } from './log-check.ts';
import { LogKeyHistory } from './log-keys.ts';
import { RecordPayload } from './record.ts';
import { isActive, TrustOnRecord, type Rule } from './trust-on-record.ts';
import { WithheldStatements } from './withheld-statements.ts';

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

/** What a vendor had admitted: a statement, or by a Sigstore tool a signature. `issuer` is its URI. */
type Admitted = Statement | { readonly hashedRekord: HashedRekord; readonly issuer: string; readonly x5t: Uint8Array };

/** Records that a log has about itself, whichever it is. */
const OF_ANY_LOG = [
  'governance-seen',
  'log-frozen',
  'log-key',
  'statement-erased',
  'statement-released',
  'statement-restricted',
];
/** How long a statement may wait between its verification and its commit. */
const LONGEST_WAIT_MS = 60_000;
/** How far the clock of a replica may be ahead of the one that commits. */
const SKEW_MS = 5_000;

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
  /** What the records say of who may publish: those of the first log alone. */
  private readonly trust = new TrustOnRecord();
  private readonly statements: WithheldStatements;
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
    this.statements = new WithheldStatements(logKey.name);
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
    this.statements.refuseUnexplained(this.governance?.replay.statements);
    return this.counts;
  }

  private addRow(checked: CheckedRow): void {
    const { index, row, statement } = checked;
    if (!this.genesis || !this.history) return this.open(checked);
    if (this.refused) return this.explain(checked, this.refused);
    if (row.kind === 'raw') this.admit(checked, readHashedRekord(checked));
    else if (!statement) this.noteErased(checked, this.genesis);
    else if (statement.issuer === this.genesis.trust.registry) this.addRecord(checked, statement, this.genesis);
    else this.admit(checked, statement);
    this.history.add(checked);
    if (row.registeredAt > this.lastRegisteredAt) this.lastRegisteredAt = row.registeredAt;
    else if (row.registeredAt < this.lastRegisteredAt) {
      throw wrongEntry(index, `was registered before the one in front of it`);
    }
  }

  private open(checked: CheckedRow): void {
    this.opening.push(checked);
    if (this.opening.length < 2) return;
    this.genesis = readGenesis(this.opening, this.logKey);
    this.refuseOtherPlace(this.genesis);
    this.history = new LogKeyHistory(this.genesis);
    this.policy = { index: 0n, document: this.genesis.policy };
    this.trust.begin(this.genesis);
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
  private get law(): TrustOnRecord {
    return (this.governance?.replay ?? this).trust;
  }

  private noteErased(checked: CheckedRow, { trust }: Genesis): void {
    this.statements.noteMissing(checked, trust.registry);
    this.counts.erased += 1;
  }

  private admit(checked: CheckedRow, admitted: Admitted): void {
    const { index, row } = checked;
    if (!this.law.paths) throw wrongEntry(index, 'is admitted before the log says what that rests on');
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
    const vendor = this.law.findByUri(admitted.issuer);
    if (row.vendorId !== vendor?.id) {
      throw wrongEntry(
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
    const vendor = law.findByUri(admitted.issuer);
    const { x5t } = admitted;
    const isRevoked = (path: SigningPath) => x5t !== undefined && law.isRevoked(encodeHex(x5t), path);
    const isWithdrawn = (digests: readonly string[]) => law.isWithdrawn(digests, vendor);
    const decideAt = (at: Date) => {
      const facts = {
        policy,
        at,
        paths,
        anchors: law.registeredAnchors(),
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
    const apply = this.rules[record.name] ?? this.trust.rules[record.name];
    if (!apply) return;
    if (this.governance && !OF_ANY_LOG.includes(record.name)) {
      throw wrongEntry(index, `is a record "${record.name}", which counts in the first log only`);
    }
    const about = apply(record, checked);
    if (row.vendorId !== about) {
      throw wrongEntry(
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
    throw wrongEntry(index, `${said}, and was committed at ${registeredAt.toISOString()}`, code);
  }

  private changePolicy(index: bigint, statement: Statement): void {
    const policy = this.readPolicy(index, statement);
    const { document, index: from } = this.policyNow();
    if (policy.version !== document.version + 1) {
      const what = `is a policy of version ${policy.version}, after version ${document.version} at entry ${from}`;
      throw wrongEntry(index, what, 'audit/back-dated-policy');
    }
    this.policy = { index, document: policy };
    this.counts.policies += 1;
  }

  private readPolicy(index: bigint, statement: Statement): RegistrationPolicy {
    try {
      return parseRegistrationPolicy(statement.payload);
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      throw wrongEntry(index, `is no registration policy: ${cause.message}`);
    }
  }

  private policyNow(): NonNullable<typeof this.policy> {
    if (!this.policy) throw new Error('There is a policy from the first entry on.');
    return this.policy;
  }

  /** What each record about the log itself means, and the vendor that it is about, if any. */
  private readonly rules: Readonly<Record<string, Rule>> = {
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

  private withhold(record: RecordPayload, index: bigint): string {
    this.statements.withhold(record, index);
    return this.law.loadVendor(record, index).id;
  }

  private release(record: RecordPayload, index: bigint): string {
    this.statements.release(record);
    return this.law.loadVendor(record, index).id;
  }

  private erase(record: RecordPayload, index: bigint): string {
    refuseLoneDecision(record, index, 'erases a statement');
    return this.withhold(record, index);
  }

  /** Of the first log, which goes on with records. */
  private close(record: RecordPayload, index: bigint): undefined {
    if (record.text('log') !== this.logKey.name)
      throw wrongEntry(index, `closes ${record.text('log')}, which is another log`);
    this.closedAt ??= index;
    return refuseLoneDecision(record, index, 'closes the log for statements');
  }

  private meetGovernance(checked: CheckedRow): undefined {
    const { index } = checked;
    if (!this.governance) throw wrongEntry(index, 'rests on another log, and this is the first');
    const seen = readGovernanceSeen(checked);
    if (!seen) throw wrongEntry(index, 'does not say what it rests on');
    this.governance.meet(seen);
    return undefined;
  }
}

/** A leaf that is not a statement's digest is a canonical hashedrekord: nothing else is ever admitted. */
function readHashedRekord({ index, leaf }: CheckedRow): Admitted {
  try {
    const hashedRekord = parseHashedRekord(leaf);
    const { certificate } = hashedRekord;
    return { hashedRekord, issuer: parseCertificate(certificate).uriSans[0] ?? '', x5t: sha256(certificate) };
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw wrongEntry(index, `is neither a statement nor what a Sigstore tool logs: ${cause.message}`);
  }
}
