import { encodeBase64Url, encodeHex } from '@margo-trust/bytes';
import { encodeTufTime } from '@margo-trust/tuf';
import type { LogEntry } from '@margo-trust/wire';
import type { EntryRecord } from '../log.reader.ts';

/** What the log's index knows of an entry, for callers. */
export function showEntry(record: EntryRecord): LogEntry {
  return {
    index: record.index.toString(),
    entryId: encodeBase64Url(record.entry),
    contentType: record.contentType,
    issuer: record.issuer,
    subject: record.subject,
    registeredAt: encodeTufTime(record.registeredAt),
    ...(record.vendorId !== undefined && { vendorId: record.vendorId }),
    ...(record.applicationId !== undefined && { applicationId: record.applicationId }),
    ...(record.version !== undefined && { version: record.version }),
    ...(record.certificate && { certificateFingerprint: encodeHex(record.certificate) }),
  };
}
