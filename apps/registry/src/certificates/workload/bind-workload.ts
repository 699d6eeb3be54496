import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import { findPatternFlaw } from '@margo-trust/policy';
import type { WorkloadBindingRequest } from '@margo-trust/wire';
import { AuditTrail } from '../../audit/audit-trail.store.ts';
import { CallerFault } from '../../callers/caller.fault.ts';
import type { Identity } from '../../callers/identity.ts';
import { Clock } from '../../clock.ts';
import { Config } from '../../config.ts';
import { Db } from '../../db/db.ts';
import { AppendRecord } from '../../log/append-record.ts';
import { Random } from '../../random.ts';
import { VendorReader } from '../../vendors/vendor.reader.ts';
import { wireTime } from '../../wire-time.ts';
import { CertificateFault } from '../certificate.fault.ts';
import { WorkloadFault } from './workload.fault.ts';
import { type WorkloadBinding, WorkloadStore } from './workload.store.ts';

/** Of one vendor, in force at a time. */
const MAX_BINDINGS = 100;

/**
 * Lets the builds that an issuer calls so have certificates of the vendor. One owner suffices, as for a certificate that lasts a
 * year: this grants less. Binding and record are one transaction, so the log says of every CI certificate whose word it rests on.
 */
@Injectable()
export class BindWorkload {
  constructor(
    private readonly db: Db,
    private readonly vendors: VendorReader,
    private readonly store: WorkloadStore,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  async run(caller: Identity, vendorId: string, request: WorkloadBindingRequest): Promise<WorkloadBinding> {
    await this.vendors.load(vendorId);
    if (!caller.hasRole(vendorId, 'owner')) {
      throw new CallerFault('caller/forbidden', "Only the vendor's owners say which builds may sign for it.");
    }
    const { issuer, subject } = request;
    const claims = readClaims(request);
    if (!this.config.workloadIssuers.includes(issuer)) {
      const known = this.config.workloadIssuers.join(', ') || 'nobody';
      throw new WorkloadFault('workload/issuer-not-admitted', `This registry takes tokens of builds from ${known}.`);
    }
    const flaw = findPatternFlaw(subject);
    if (flaw !== undefined) throw new WorkloadFault('workload/pattern-refused', flaw);

    return this.db.transaction(async (tx) => {
      const createdAt = this.clock.now();
      const { index: logIndex, entryId } = await this.record.run(tx, {
        subject: `vendor:${vendorId}`,
        vendorId,
        payload: { record: 'workload-bound', at: wireTime(createdAt), vendor: vendorId, issuer, subject, claims },
      });
      // The record holds the head of the log: nobody else binds, and nobody is suspended, until this is committed.
      if (!(await this.vendors.activeAmong(tx, [vendorId])).has(vendorId)) {
        throw new CertificateFault('certificate/vendor-not-active', 'Only an active vendor lets builds sign for it.');
      }
      const others = await this.store.ofVendor(vendorId, tx);
      if (others.some((other) => isSame(other, { issuer, subject, claims }))) {
        throw new WorkloadFault('workload/already-bound', 'The vendor has bound exactly this already.');
      }
      if (others.length >= MAX_BINDINGS) {
        throw new WorkloadFault(
          'workload/too-many',
          `A vendor has ${MAX_BINDINGS} bindings at most: remove one first.`,
        );
      }
      const id = encodeHex(this.random.bytes(13));
      const binding = { id, vendorId, issuer, subject, claims, createdAt, entryId };
      await this.store.insert(tx, { ...binding, logIndex });
      await this.audit.append(tx, {
        actor: caller.name,
        action: 'workload-bound',
        subject: `vendor:${vendorId}`,
        detail: { binding: id, issuer, subject, claims, entryId },
      });
      return binding;
    });
  }
}

/** Sorted by name, so that the same constraints are the same text. */
function readClaims({ claims = [] }: WorkloadBindingRequest): Record<string, string> {
  const sorted = [...claims].sort((a, b) => (a.name < b.name ? -1 : 1));
  const named = new Map(sorted.map(({ name, value }) => [name, value]));
  if (named.size < sorted.length) {
    throw new WorkloadFault('workload/pattern-refused', 'A claim is named once at most.');
  }
  return Object.fromEntries(named);
}

function isSame(one: Pick<WorkloadBinding, 'issuer' | 'subject' | 'claims'>, other: typeof one): boolean {
  const text = ({ issuer, subject, claims }: typeof one) =>
    JSON.stringify([issuer, subject, Object.entries(claims).sort()]);
  return text(one) === text(other);
}
