import { Injectable } from '@nestjs/common';
import { encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { readOpenpgpKey } from '@margo-trust/openpgp';
import { AuditTrail } from '../../audit/audit-trail.store.ts';
import { CallerFault } from '../../callers/caller.fault.ts';
import type { Identity } from '../../callers/identity.ts';
import { Clock } from '../../clock.ts';
import { Db } from '../../db/db.ts';
import { AppendRecord } from '../../log/append-record.ts';
import { wireTime } from '../../wire-time.ts';
import { VendorReader } from '../vendor.reader.ts';
import { OpenpgpKeyFault } from './openpgp-key.fault.ts';
import { OpenpgpKeyReader, type RegisteredOpenpgpKey } from './openpgp-key.reader.ts';
import { OpenpgpKeyStore } from './openpgp-key.store.ts';

/** Of one vendor at a time: every device that judges the vendor fetches them. */
const MAX_KEYS = 5;

/**
 * Registers an OpenPGP key of a vendor. One owner suffices, since it grants nothing: no artifact becomes trusted by it. That it was
 * registered is on record; the key itself is not, since it names people.
 */
@Injectable()
export class RegisterOpenpgpKey {
  constructor(
    private readonly db: Db,
    private readonly vendors: VendorReader,
    private readonly reader: OpenpgpKeyReader,
    private readonly store: OpenpgpKeyStore,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
  ) {}

  async run(caller: Identity, vendorId: string, armored: string): Promise<RegisteredOpenpgpKey> {
    await this.vendors.load(vendorId);
    if (!caller.hasRole(vendorId, 'owner')) {
      throw new CallerFault('caller/forbidden', "Only the vendor's owners register its OpenPGP keys.");
    }
    const { fingerprint, bytes: key } = await readOpenpgpKey(encodeUtf8(armored), this.clock.now());

    return this.db.transaction(async (tx) => {
      const registeredAt = this.clock.now();
      const { index: logIndex, entryId } = await this.record.run(tx, {
        subject: `vendor:${vendorId}`,
        vendorId,
        payload: {
          ...{ record: 'openpgp-key-registered', at: wireTime(registeredAt), vendor: vendorId },
          ...{ fingerprint, keySha256: encodeHex(sha256(key)) },
        },
      });
      // The record holds the head of the log: nobody else registers, and nobody is suspended, until this is committed.
      if (!(await this.vendors.activeAmong(tx, [vendorId])).has(vendorId)) {
        throw new OpenpgpKeyFault('openpgp/vendor-not-active', 'Only an active vendor registers keys.');
      }
      if ((await this.reader.ofVendor(vendorId, tx)).length >= MAX_KEYS) {
        throw new OpenpgpKeyFault(
          'openpgp/too-many-keys',
          `A vendor has ${MAX_KEYS} keys at most: withdraw one first.`,
        );
      }
      const registered = { fingerprint, vendorId, key, registeredAt, entryId };
      if (!(await this.store.insert(tx, { ...registered, logIndex }))) {
        throw new OpenpgpKeyFault('openpgp/key-taken', 'This key is registered, or was and has been withdrawn.');
      }
      await this.audit.append(tx, {
        actor: caller.name,
        action: 'openpgp-key-registered',
        subject: `vendor:${vendorId}`,
        detail: { fingerprint, entryId },
      });
      return registered;
    });
  }
}
