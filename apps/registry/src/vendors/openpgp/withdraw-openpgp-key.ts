import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/audit-trail.store.ts';
import { CallerFault } from '../../callers/caller.fault.ts';
import type { Identity } from '../../callers/identity.ts';
import { Clock } from '../../clock.ts';
import { Db } from '../../db/db.ts';
import { AppendRecord } from '../../log/append-record.ts';
import { wireTime } from '../../wire-time.ts';
import { VendorReader } from '../vendor.reader.ts';
import { OpenpgpKeyFault } from './openpgp-key.fault.ts';
import { OpenpgpKeyReader } from './openpgp-key.reader.ts';
import { OpenpgpKeyStore } from './openpgp-key.store.ts';

/**
 * Withdraws an OpenPGP key for good: whatever it signed verifies against the vendor no longer, of whatever time, once devices have
 * the next trust root. Removing is cheap: owners may, whoever sees to the vendor's security, and governance.
 */
@Injectable()
export class WithdrawOpenpgpKey {
  constructor(
    private readonly db: Db,
    private readonly vendors: VendorReader,
    private readonly reader: OpenpgpKeyReader,
    private readonly store: OpenpgpKeyStore,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
  ) {}

  async run(caller: Identity, vendorId: string, fingerprint: string): Promise<void> {
    await this.vendors.load(vendorId);
    if (!caller.hasRole(vendorId, 'owner', 'security') && !caller.isGovernance) {
      throw new CallerFault('caller/forbidden', "Only the vendor's owners, its security contacts and governance may.");
    }
    await this.db.transaction(async (tx) => {
      const keys = await this.reader.ofVendor(vendorId, tx);
      const key = keys.find((candidate) => candidate.fingerprint === fingerprint);
      if (key === undefined) throw notFound();
      const now = this.clock.now();
      const { entryId } = await this.record.run(tx, {
        subject: `vendor:${vendorId}`,
        vendorId,
        payload: {
          ...{ record: 'openpgp-key-withdrawn', at: wireTime(now), vendor: vendorId },
          ...{ fingerprint, registered: key.entryId },
        },
      });
      if (!(await this.store.withdraw(tx, fingerprint, now, entryId))) throw notFound();
      await this.audit.append(tx, {
        actor: caller.name,
        action: 'openpgp-key-withdrawn',
        subject: `vendor:${vendorId}`,
        detail: { fingerprint, entryId },
      });
    });
  }
}

function notFound(): OpenpgpKeyFault {
  return new OpenpgpKeyFault('openpgp/key-not-found', 'The vendor has no such key, or has withdrawn it.');
}
