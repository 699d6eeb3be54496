import { Injectable } from '@nestjs/common';
import { Db, type Tx } from '../../db/db.ts';

/** An OpenPGP key that counts: registered, and not withdrawn. */
export interface RegisteredOpenpgpKey {
  readonly fingerprint: string;
  readonly vendorId: string;
  /** Without armor. */
  readonly key: Uint8Array;
  readonly registeredAt: Date;
  /** EntryID of its record. */
  readonly entryId: string;
}

@Injectable()
export class OpenpgpKeyReader {
  constructor(private readonly db: Db) {}

  /** Of one vendor, oldest first. */
  async ofVendor(vendorId: string, tx?: Tx): Promise<RegisteredOpenpgpKey[]> {
    return this.read(tx, 'AND vendor_id = $1', [vendorId]);
  }

  /** Of all vendors, oldest first. */
  async all(tx: Tx): Promise<RegisteredOpenpgpKey[]> {
    return this.read(tx, '', []);
  }

  /** Reads otherwise as soon as a key is registered or withdrawn: whether a copy of {@link all} is old. */
  async state(tx?: Tx): Promise<string> {
    const [row] = await (tx ?? this.db.manager).query<{ state: string }[]>(
      `SELECT md5(coalesce(string_agg(entry_id, ' ' ORDER BY log_index), '')) AS state FROM openpgp_key
       WHERE withdrawn_at IS NULL`,
    );
    return row?.state ?? '';
  }

  private async read(tx: Tx | undefined, where: string, parameters: unknown[]): Promise<RegisteredOpenpgpKey[]> {
    const rows = await (tx ?? this.db.manager).query<KeyRow[]>(
      `SELECT fingerprint, vendor_id, key, registered_at, entry_id FROM openpgp_key
       WHERE withdrawn_at IS NULL ${where} ORDER BY log_index`,
      parameters,
    );
    return rows.map((row) => ({
      fingerprint: row.fingerprint,
      vendorId: row.vendor_id,
      key: Uint8Array.from(row.key),
      registeredAt: row.registered_at,
      entryId: row.entry_id,
    }));
  }
}

interface KeyRow {
  fingerprint: string;
  vendor_id: string;
  key: Buffer;
  registered_at: Date;
  entry_id: string;
}
