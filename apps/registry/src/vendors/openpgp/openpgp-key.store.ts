import { Injectable } from '@nestjs/common';
import type { Tx } from '../../db/db.ts';
import type { RegisteredOpenpgpKey } from './openpgp-key.reader.ts';

@Injectable()
export class OpenpgpKeyStore {
  /** False when the key is registered already, or was withdrawn: by whomever. */
  async insert(tx: Tx, key: RegisteredOpenpgpKey & { logIndex: bigint }): Promise<boolean> {
    const rows = await tx.query<unknown[]>(
      `INSERT INTO openpgp_key (fingerprint, vendor_id, key, registered_at, log_index, entry_id)
       VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (fingerprint) DO NOTHING RETURNING fingerprint`,
      [key.fingerprint, key.vendorId, Buffer.from(key.key), key.registeredAt, key.logIndex.toString(), key.entryId],
    );
    return rows.length > 0;
  }

  /** Withdraws a key that counts, and forgets all of it but its fingerprint; false when none did. */
  async withdraw(tx: Tx, fingerprint: string, withdrawnAt: Date, withdrawalEntryId: string): Promise<boolean> {
    const [, count] = await tx.query<[unknown, number]>(
      `UPDATE openpgp_key SET key = NULL, withdrawn_at = $2, withdrawal_entry_id = $3
       WHERE fingerprint = $1 AND withdrawn_at IS NULL`,
      [fingerprint, withdrawnAt, withdrawalEntryId],
    );
    return count > 0;
  }
}
