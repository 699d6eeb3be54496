import { Injectable } from '@nestjs/common';
import { CertificateReader } from '../../certificates/certificate.reader.ts';
import { Db } from '../../db/db.ts';
import { VendorReader } from '../../vendors/vendor.reader.ts';
import { LogIdentity } from '../log-identity.ts';
import type { EntryRecord } from '../log.reader.ts';
import { AnchoredCertificateStore } from './anchored-certificate.store.ts';

/**
 * What a vendor's statement was admitted by. The vendor's standing and the certificate's revocation are what the log says
 * of them below the entry's own index, since no record can come between that check and the entry.
 */
export interface Admission {
  readonly policyIndex: bigint;
  readonly anchorsIndex: bigint;
  /** EntryID of the record that granted the vendor its claims; they never change. */
  readonly vendorRecordEntryId?: string;
  /** EntryID of the record that the certificate was issued. */
  readonly certificateRecordEntryId?: string;
  /** EntryID of the record that registered the vendor's own CA, where it was not the registry that issued the certificate. */
  readonly anchorRecordEntryId?: string;
}

/** Where the log was opened with its trust anchors: see OpenLog. */
const ANCHORS_INDEX = 1n;

/** Finds again what an admission rested on, from the index alone: nothing of it is written a second time. */
@Injectable()
export class AdmissionReader {
  constructor(
    private readonly db: Db,
    private readonly identity: LogIdentity,
    private readonly vendors: VendorReader,
    private readonly certificates: CertificateReader,
    private readonly anchored: AnchoredCertificateStore,
  ) {}

  /** `undefined` for statements of the registry itself. */
  async find({ index, issuer, vendorId, certificate, registeredAt }: EntryRecord): Promise<Admission | undefined> {
    if (vendorId === undefined || issuer === this.identity.issuer) return undefined;
    const [[row], vendor, certificateRecordEntryId, anchorRecordEntryId] = await Promise.all([
      this.db.query<{ policy: string | null }>(
        'SELECT max(index) AS policy FROM registration_policy WHERE log_id = $1 AND index < $2',
        [this.identity.logId, index.toString()],
      ),
      this.vendors.find(vendorId),
      certificate && this.certificates.findRecord(certificate),
      certificate && this.anchored.findRegistration(certificate, registeredAt),
    ]);
    return {
      policyIndex: BigInt(row?.policy ?? 0),
      anchorsIndex: ANCHORS_INDEX,
      ...(vendor?.admissionEntryId !== undefined && { vendorRecordEntryId: vendor.admissionEntryId }),
      ...(certificateRecordEntryId !== undefined && { certificateRecordEntryId }),
      ...(anchorRecordEntryId !== undefined && { anchorRecordEntryId }),
    };
  }
}
