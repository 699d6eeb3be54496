import { Injectable } from '@nestjs/common';
import { parseBase64Url } from '@margo-trust/bytes';
import type { StoredAnchor } from '../certificates/anchors/anchor.reader.ts';
import type { Tx } from '../db/db.ts';
import { IssueReceipt } from '../log/issue-receipt.ts';
import { LogReader } from '../log/log.reader.ts';
import type { RegisteredOpenpgpKey } from '../vendors/openpgp/openpgp-key.reader.ts';
import type { PublishingVendor } from '../vendors/vendor.reader.ts';
import type { ProvenAnchor, ProvenVendor } from './live-targets.ts';
import { TrustRootStore } from './trust-root.store.ts';

/** What vendors own beside themselves, and is put on record. */
export interface Owned {
  readonly openpgpKeys: readonly RegisteredOpenpgpKey[];
  readonly anchors: readonly StoredAnchor[];
}

/**
 * Joins each admitted vendor with the transparent statement of its admission, without which devices do not count it, and likewise
 * each of its anchors and OpenPGP keys. A statement is made once and kept: a shard must change only when one of its vendors does.
 */
@Injectable()
export class ProveAdmissions {
  constructor(
    private readonly store: TrustRootStore,
    private readonly log: LogReader,
    private readonly receipts: IssueReceipt,
  ) {}

  /** `anchors` are all that were ever registered; each goes to its vendor, except for those of devices. */
  async run(
    tx: Tx,
    vendors: readonly PublishingVendor[],
    { openpgpKeys, anchors }: Owned,
  ): Promise<{ vendors: ProvenVendor[]; deviceCas: ProvenAnchor[] }> {
    const entryIds = [
      ...vendors.map(admissionOf),
      ...openpgpKeys.map(({ entryId }) => entryId),
      ...anchors.map(registrationOf),
    ];
    const records = await this.store.admissions(tx, entryIds);
    for (const entryId of entryIds) {
      if (!records.has(entryId)) records.set(entryId, await this.prove(tx, entryId));
    }
    const load = (entryId: string): Uint8Array => {
      const record = records.get(entryId);
      if (record === undefined) throw new Error(`The record ${entryId} was not proven.`);
      return record;
    };
    const proven = anchors.map((anchor) => ({ ...anchor, record: load(registrationOf(anchor)) }));
    return {
      vendors: vendors.map((vendor) => ({
        ...vendor,
        record: load(admissionOf(vendor)),
        openpgpKeys: openpgpKeys
          .filter(({ vendorId }) => vendorId === vendor.id)
          .map(({ key, entryId }) => ({ key, record: load(entryId) })),
        anchors: proven.filter(({ vendorId, purpose }) => vendorId === vendor.id && purpose !== 'device-idevid'),
      })),
      deviceCas: proven.filter(({ purpose }) => purpose === 'device-idevid'),
    };
  }

  private async prove(tx: Tx, entryId: string): Promise<Uint8Array> {
    const entry = await this.log.findByEntry(parseBase64Url(entryId));
    if (entry === undefined) throw new Error(`The log does not hold the record ${entryId}.`);
    const statement = await this.receipts.transparentStatement(entry);
    await this.store.insertAdmission(tx, entryId, statement);
    return statement;
  }
}

function admissionOf({ id, admissionEntryId }: PublishingVendor): string {
  if (admissionEntryId === undefined) throw new Error(`Vendor ${id} was admitted without a record.`);
  return admissionEntryId;
}

function registrationOf({ id, registration }: StoredAnchor): string {
  if (registration === undefined) throw new Error(`Anchor ${id} was registered without a record.`);
  return registration.entryId;
}
