import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/audit-trail.store.ts';
import { CallerFault } from '../../callers/caller.fault.ts';
import type { Identity } from '../../callers/identity.ts';
import { Clock } from '../../clock.ts';
import { Db } from '../../db/db.ts';
import { AppendRecord } from '../../log/append-record.ts';
import { VendorReader } from '../../vendors/vendor.reader.ts';
import { wireTime } from '../../wire-time.ts';
import { WorkloadFault } from './workload.fault.ts';
import { WorkloadStore } from './workload.store.ts';

/**
 * Ends a binding: from the commit on, no build gets a certificate by it. What was issued before lives on for its day; to stop
 * that, revoke its key. Removing trust is cheap: owners may, whoever sees to the vendor's security, and governance.
 */
@Injectable()
export class UnbindWorkload {
  constructor(
    private readonly db: Db,
    private readonly vendors: VendorReader,
    private readonly store: WorkloadStore,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
  ) {}

  async run(caller: Identity, vendorId: string, id: string): Promise<void> {
    await this.vendors.load(vendorId);
    if (!caller.hasRole(vendorId, 'owner', 'security') && !caller.isGovernance) {
      throw new CallerFault('caller/forbidden', "Only the vendor's owners, its security contacts and governance may.");
    }
    await this.db.transaction(async (tx) => {
      const bindings = await this.store.ofVendor(vendorId, tx);
      const binding = bindings.find((candidate) => candidate.id === id);
      if (binding === undefined) throw noSuchBinding();
      const now = this.clock.now();
      const { entryId } = await this.record.run(tx, {
        subject: `vendor:${vendorId}`,
        vendorId,
        payload: { record: 'workload-unbound', at: wireTime(now), vendor: vendorId, binding: binding.entryId },
      });
      if (!(await this.store.remove(tx, id, now, entryId))) throw noSuchBinding();
      await this.audit.append(tx, {
        actor: caller.name,
        action: 'workload-unbound',
        subject: `vendor:${vendorId}`,
        detail: { binding: id, entryId },
      });
    });
  }
}

function noSuchBinding(): WorkloadFault {
  return new WorkloadFault('workload/no-such-binding', 'The vendor has no binding with this id in force.');
}
