import { Injectable } from '@nestjs/common';
import type { EvidenceRow, Seal } from '@margo-trust/auditor';
import { compareBytes, encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { Db } from '../../db/db.ts';
import { LogIdentity } from '../log-identity.ts';
import type { EntryRow } from '../log.reader.ts';

/** A row whose statement is still to be loaded; a raw leaf is part of the entry. */
export interface EvidenceItem extends EvidenceRow {
  /** Of the body; 0 when there is none. */
  readonly bodyBytes: number;
}

interface ItemRecord extends Omit<EntryRow, 'index'> {
  mentions: string[];
  body_bytes: number | null;
  chain_id: Buffer | null;
  timestamp_token: Buffer | null;
}

/** The log as auditors read it: whole rows, in order of index. Everything is committed, and nothing of it is signed. */
@Injectable()
export class EvidenceReader {
  constructor(
    private readonly db: Db,
    private readonly identity: LogIdentity,
  ) {}

  /** Entries `[first, first + count)` without their statements; fewer when the log ends before. */
  async items(first: bigint, count: number): Promise<EvidenceItem[]> {
    const rows = await this.db.query<ItemRecord>(
      `SELECT e.entry, e.content_type, e.issuer, e.subject, e.vendor_id, e.application_id, e.version, e.certificate,
              e.registered_at, e.raw, e.mentions, octet_length(s.body) AS body_bytes, s.chain_id, s.timestamp_token
       FROM log_entry e LEFT JOIN statement s ON s.entry = e.entry
       WHERE e.log_id = $1 AND e.index >= $2 AND e.index < $3 ORDER BY e.index`,
      [this.identity.logId, first.toString(), (first + BigInt(count)).toString()],
    );
    const chains = await this.chains(rows.flatMap((row) => row.chain_id ?? []));
    return rows.map((row) => ({
      kind: row.raw ? 'raw' : row.body_bytes === null ? 'erased' : 'statement',
      entry: row.entry,
      ...(row.raw && { body: row.raw }),
      bodyBytes: row.raw?.length ?? row.body_bytes ?? 0,
      registeredAt: row.registered_at,
      contentType: row.content_type,
      issuer: row.issuer,
      subject: row.subject,
      ...(row.vendor_id !== null && { vendorId: row.vendor_id }),
      ...(row.application_id !== null && { applicationId: row.application_id }),
      ...(row.version !== null && { version: row.version }),
      ...(row.certificate && { certificate: row.certificate }),
      chain: (row.chain_id && chains.get(encodeHex(row.chain_id))) ?? [],
      ...(row.timestamp_token && { timestampToken: row.timestamp_token }),
      mentions: row.mentions.length > 1 ? row.mentions.sort(compareTexts) : row.mentions,
    }));
  }

  /** The statements behind these entries, by hex of the entry. */
  async statements(entries: readonly Uint8Array[]): Promise<Map<string, Uint8Array>> {
    const rows = await this.db.query<{ entry: Buffer; body: Buffer }>(
      'SELECT entry, body FROM statement WHERE entry = ANY($1)',
      [entries.map((entry) => Buffer.from(entry))],
    );
    return new Map(rows.map((row) => [encodeHex(row.entry), row.body]));
  }

  /** Indices below `size` whose statements are withheld or erased, in order. */
  async withheld(size: bigint): Promise<bigint[]> {
    const rows = await this.db.query<{ index: string }>(
      `SELECT e.index FROM (SELECT entry FROM statement_erasure UNION SELECT entry FROM restricted_statement) gone
       JOIN log_entry e ON e.log_id = $1 AND e.entry = gone.entry WHERE e.index < $2 ORDER BY e.index`,
      [this.identity.logId, size.toString()],
    );
    return rows.map(({ index }) => BigInt(index));
  }

  /** Heads of a size above `after`, smallest first. */
  async seals(after: bigint, upTo: bigint, limit: number): Promise<Seal[]> {
    const rows = await this.db.query<{ size: string; root: Buffer; committed_at: Date }>(
      `SELECT size, root, committed_at FROM log_seal
       WHERE log_id = $1 AND size > $2 AND size <= $3 ORDER BY size LIMIT $4`,
      [this.identity.logId, after.toString(), upTo.toString(), limit],
    );
    return rows.map((row) => ({ size: BigInt(row.size), root: row.root, committedAt: row.committed_at }));
  }

  private async chains(ids: readonly Buffer[]): Promise<Map<string, readonly Uint8Array[]>> {
    const wanted = new Map(ids.map((id) => [encodeHex(id), id]));
    if (wanted.size === 0) return new Map();
    const rows = await this.db.query<{ id: Buffer; certificates: Buffer[] }>(
      'SELECT id, certificates FROM certificate_chain WHERE id = ANY($1)',
      [[...wanted.values()]],
    );
    return new Map(rows.map((row) => [encodeHex(row.id), row.certificates]));
  }
}

function compareTexts(a: string, b: string): number {
  return compareBytes(encodeUtf8(a), encodeUtf8(b));
}
