import { Injectable } from '@nestjs/common';
import { parseHex } from '@margo-trust/bytes';
import type { RevocationOrder } from '@margo-trust/wire';
import { AuditTrail } from '../audit/audit-trail.store.ts';
import { CallerFault } from '../callers/caller.fault.ts';
import type { Identity } from '../callers/identity.ts';
import { Clock } from '../clock.ts';
import { Db, type Tx } from '../db/db.ts';
import { AppendRecord, type RegistryRecord } from '../log/append-record.ts';
import { TrustSteps } from '../trust-steps.ts';
import { wireTime } from '../wire-time.ts';
import type { AffectedCertificate } from './affected.reader.ts';
import { compareVerdicts, narrower, type Verdict } from './decide-revocation.ts';
import { RevocationFault } from './revocation.fault.ts';
import { type HeldRevocation, RevocationReader, type RevocationSubject } from './revocation.reader.ts';
import { RevocationStore } from './revocation.store.ts';
import { type WeighedOrder, WeighOrder } from './weigh-order.ts';

export interface Revoked {
  /** How many subjects were decided about now. */
  readonly decided: number;
  /** Votes so far for trusting signatures again, where that was asked for. */
  readonly votes?: number;
  /** What holds now; the first hundred. */
  readonly held: readonly HeldRevocation[];
}

/** Governance members who must want the same before signatures are trusted again. */
const QUORUM = 2;
/** A record stays small enough to be read in one piece. */
const CERTIFICATES_A_RECORD = 1_000;
const SHOWN = 100;

/**
 * Revokes certificates, a key, an issuing CA, a vendor or an artifact. Decisions count from their commit, together with their
 * records in the log; CRLs, trust root and feeds follow within seconds. Asking for what holds already changes nothing.
 *
 * One person revokes and moves dates earlier. What would trust signatures again takes two members of governance who ask for exactly
 * the same: the first one's order is kept as a vote.
 */
@Injectable()
export class Revoke {
  constructor(
    private readonly db: Db,
    private readonly weigh: WeighOrder,
    private readonly reader: RevocationReader,
    private readonly store: RevocationStore,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
    private readonly steps: TrustSteps,
  ) {}

  async run(caller: Identity, order: RevocationOrder): Promise<Revoked> {
    const weighed = await this.weigh.run(caller, order);
    const revoked = await this.db.transaction(async (tx): Promise<Revoked> => {
      await this.store.lockDecisions(tx);
      const { subjects, certificates, vendorId } = await this.weigh.subjects(weighed.selector, tx);
      const before = new Map((await this.reader.held(subjects, tx)).map((held) => [keyOf(held), held]));
      const changes = subjects.map((subject) => ({
        subject,
        change: compareVerdicts(weighed.verdict, before.get(keyOf(subject))),
      }));
      const [only, ...others] = changes;
      if (others.length === 0 && only?.change === 'narrower') {
        const held = before.get(keyOf(only.subject));
        if (order.narrow !== true || held === undefined) throw narrower();
        return this.vote(tx, caller, weighed, held, certificates, vendorId);
      }
      // Of many, those that are refused more strictly already stay so.
      const wanted = changes.flatMap(({ subject, change }) =>
        change === 'new' || change === 'wider' ? [subject] : [],
      );
      await this.decide(tx, caller, weighed, wanted, { certificates, vendorId, approvals: 1 });
      return { decided: wanted.length, held: await this.reader.held(subjects.slice(0, SHOWN), tx) };
    });
    await this.steps.reached('revocation committed');
    return revoked;
  }

  private async vote(
    tx: Tx,
    member: Identity,
    weighed: WeighedOrder,
    held: HeldRevocation,
    certificates: readonly AffectedCertificate[],
    vendorId: string | undefined,
  ): Promise<Revoked> {
    const organisation = vendorId ?? certificates[0]?.vendorId;
    if (!member.isGovernance || (organisation !== undefined && member.belongsTo(organisation))) {
      throw new CallerFault(
        'caller/forbidden',
        'Only members of governance who do not belong to the vendor vote on this.',
      );
    }
    const { issuer, subject } = member;
    const vote = {
      subject: held,
      after: held.sequence,
      ...weighed.verdict,
      voter: { issuer, subject },
      at: this.clock.now(),
    };
    const voters = await this.store.votersFor(tx, vote);
    if (voters.some((voter) => member.isSameAs(voter))) {
      throw new RevocationFault('revocation/already-voted', 'You have voted for this; another member must be next.');
    }
    await this.store.insertVote(tx, vote);
    const votes = voters.length + 1;
    await this.audit.append(tx, {
      actor: member.name,
      action: 'narrowing-voted',
      subject: nameOf(held, certificates),
      detail: describe(weighed.verdict),
    });
    if (votes < QUORUM) return { decided: 0, votes, held: [held] };
    await this.decide(tx, member, weighed, [held], { certificates, vendorId, approvals: votes });
    return { decided: 1, votes, held: await this.reader.held([held], tx) };
  }

  private async decide(
    tx: Tx,
    caller: Identity,
    { verdict, now }: WeighedOrder,
    subjects: readonly RevocationSubject[],
    {
      certificates,
      vendorId,
      approvals,
    }: { certificates: readonly AffectedCertificate[]; vendorId: string | undefined; approvals: number },
  ): Promise<void> {
    const bySerial = new Map(certificates.map((certificate) => [certificate.serial, certificate]));
    for (const part of parts(subjects, CERTIFICATES_A_RECORD)) {
      const meant = part.flatMap(({ target }) => bySerial.get(target) ?? []);
      const stated = { at: wireTime(now), ...describe(verdict), ...(approvals > 1 && { approvals }) };
      const record = toRecord(part, meant, vendorId, stated);
      const { index: logIndex, entryId } = await this.record.run(tx, record);
      await this.steps.reached('revocation logged');
      await this.store.insert(tx, part, { ...verdict, revokedAt: now, approvals, logIndex, entryId });
      const { record: action, ...detail } = record.payload as { record: string };
      await this.audit.append(tx, {
        actor: caller.name,
        action,
        subject: record.subject,
        detail: { ...detail, entryId },
      });
      await this.steps.reached('revocation stored');
    }
  }
}

/** What the log says of the decision (docs/formats.md, "Records"). */
function toRecord(
  subjects: readonly RevocationSubject[],
  certificates: readonly AffectedCertificate[],
  vendorId: string | undefined,
  stated: object,
): RegistryRecord {
  const [first] = subjects;
  const [certificate] = certificates;
  if (first === undefined) throw new Error('A decision is about something.');
  const subject = nameOf(first, certificates);
  if (first.kind !== 'certificate') {
    const named = first.kind === 'vendor' ? {} : { [first.kind]: first.target };
    const ofVendor = vendorId === undefined ? {} : { vendor: vendorId };
    return {
      subject,
      ...(vendorId !== undefined && { vendorId }),
      ...(first.kind === 'digest' && { mentions: [first.target] }),
      payload: { record: `${first.kind}-revoked`, ...named, ...ofVendor, ...stated },
    };
  }
  if (certificate === undefined) throw new Error('A revoked certificate was issued.');
  if (certificates.length === 1) {
    const { serial, fingerprint, issuer, vendorId: vendor } = certificate;
    return {
      subject,
      vendorId: vendor,
      certificate: parseHex(fingerprint),
      payload: { record: 'certificate-revoked', vendor, issuer, serial, fingerprint, ...stated },
    };
  }
  const isOfOne = certificates.every(({ vendorId: vendor }) => vendor === certificate.vendorId);
  return {
    subject: `certificates:${certificates.length}`,
    ...(isOfOne && { vendorId: certificate.vendorId }),
    payload: {
      record: 'certificates-revoked',
      ...(isOfOne && { vendor: certificate.vendorId }),
      ...stated,
      certificates: certificates.map(({ serial, fingerprint, issuer }) => ({ serial, fingerprint, issuer })),
    },
  };
}

function nameOf({ kind, target }: RevocationSubject, [certificate]: readonly AffectedCertificate[]): string {
  return kind === 'certificate' ? `certificate:${certificate?.fingerprint ?? target}` : `${kind}:${target}`;
}

function keyOf({ kind, target, vendorId = '' }: RevocationSubject): string {
  return `${kind} ${target} ${vendorId}`;
}

function describe({ reason, invalidityDate }: Verdict): object {
  return { reason, ...(invalidityDate && { invalidityDate: wireTime(invalidityDate) }) };
}

function* parts<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size);
}
