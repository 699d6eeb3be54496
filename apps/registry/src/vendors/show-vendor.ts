import type { Vendor } from '@margo-trust/wire';
import type { VendorFile } from './vendor.reader.ts';
import { wireTime } from '../wire-time.ts';

/** A vendor as the API shows it. Contacts and approvals name people: only `withContacts`. */
export function showVendor(vendor: VendorFile, withContacts: boolean): Vendor {
  const { row } = vendor;
  return {
    id: vendor.id,
    uri: vendor.uri,
    legalName: vendor.legalName,
    status: vendor.status,
    subject: vendor.subject,
    personas: row.personas,
    claims: vendor.claimed,
    ...(row.website === null ? {} : { website: row.website }),
    submittedAt: wireTime(row.submittedAt),
    ...(row.admittedAt === null ? {} : { admittedAt: wireTime(row.admittedAt) }),
    ...(row.suspendedAt === null ? {} : { suspendedAt: wireTime(row.suspendedAt) }),
    ...(row.suspensionReason === null ? {} : { suspensionReason: row.suspensionReason }),
    ...(row.recordEntryId === null ? {} : { recordEntryId: row.recordEntryId }),
    ...(withContacts ? contacts(vendor) : {}),
  };
}

function contacts({ row, approvals }: VendorFile): Pick<Vendor, 'securityContact' | 'approvals'> {
  return {
    securityContact: row.securityContact,
    approvals: approvals.map(({ subject, note, approvedAt }) => ({ by: subject, note, at: wireTime(approvedAt) })),
  };
}
