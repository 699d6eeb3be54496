import { Injectable } from '@nestjs/common';
import { Db } from '../../db/db.ts';
import { LogIdentity } from '../log-identity.ts';
import { type EntryRecord, type EntryRow, toRecord } from '../log.reader.ts';

/** An entry for those who follow the log, without its leaf. */
export interface FeedEntry extends EntryRecord {
  /** Digests and references that it speaks of. */
  readonly mentions: readonly string[];
}

/** What a follower wants to hear of; every member that is there must hold. */
export interface FeedFilter {
  readonly vendorId?: string;
  readonly applicationId?: string;
  /** SHA-256 of a certificate. */
  readonly certificate?: Uint8Array;
  /** A digest or reference that the entry speaks of. */
  readonly term?: string;
}

/** Reads the log forwards. Whatever it sees is committed; indices have no gaps, and batches commit in their order. */
@Injectable()
export class FeedReader {
  constructor(
    private readonly db: Db,
    private readonly identity: LogIdentity,
  ) {}

  /** Number of committed entries; 0 before the log is opened. */
  async size(): Promise<bigint> {
    const [row] = await this.db.query<{ size: string }>('SELECT size FROM log_head WHERE log_id = $1', [
      this.identity.logId,
    ]);
    return BigInt(row?.size ?? 0);
  }

  /** The entries in `[from, to)` that match, lowest index first. Costs as much as the range is long. */
  async entries(from: bigint, to: bigint, filter: FeedFilter = {}): Promise<FeedEntry[]> {
    const { vendorId, applicationId, certificate, term } = filter;
    const rows = await this.db.query<EntryRow & { mentions: string[] }>(
      `SELECT index, entry, content_type, issuer, subject, vendor_id, application_id, version, certificate, NULL AS raw,
              registered_at, mentions
       FROM log_entry WHERE log_id = $1 AND index >= $2 AND index < $3
         AND ($4::text IS NULL OR vendor_id = $4) AND ($5::text IS NULL OR application_id = $5)
         AND ($6::bytea IS NULL OR certificate = $6) AND ($7::text IS NULL OR $7 = ANY(mentions))
       ORDER BY index`,
      [
        this.identity.logId,
        from.toString(),
        to.toString(),
        vendorId ?? null,
        applicationId ?? null,
        certificate ? Buffer.from(certificate) : null,
        term ?? null,
      ],
    );
    return rows.map((row) => ({ ...toRecord(row), mentions: row.mentions }));
  }
}
