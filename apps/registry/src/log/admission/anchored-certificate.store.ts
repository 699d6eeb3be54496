import { Injectable } from '@nestjs/common';
import { Db, type Tx } from '../../db/db.ts';

/** A certificate under an anchor of a vendor's, as a statement brought it. */
export interface AnchoredCertificate {
  /** SHA-256 of the certificate. */
  readonly fingerprint: Uint8Array;
  readonly anchorId: string;
  /** SHA-256 of the SubjectPublicKeyInfo of each certificate of its path, leaf first. */
  readonly keys: readonly Uint8Array[];
}

/** What others have issued and the log has seen. */
@Injectable()
export class AnchoredCertificateStore {
  constructor(private readonly db: Db) {}

  /** The path that a certificate first came with stays. */
  async insertAll(tx: Tx, certificates: readonly AnchoredCertificate[]): Promise<void> {
    for (const { fingerprint, anchorId, keys } of certificates) {
      await this.db.prepared(
        tx,
        'INSERT INTO anchored_certificate (fingerprint, anchor_id, keys) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
        [Buffer.from(fingerprint), anchorId, keys.map((key) => Buffer.from(key))],
      );
    }
  }

  /**
   * EntryID of the record that had registered, at that time, the anchor which the certificate has come under. By time and not by index:
   * the entry may be in another log than the record.
   */
  async findRegistration(fingerprint: Uint8Array, at: Date): Promise<string | undefined> {
    const [row] = await this.db.query<{ entry_id: string }>(
      `SELECT a.entry_id FROM anchored_certificate c JOIN anchor a ON a.id = c.anchor_id
       WHERE c.fingerprint = $1 AND a.registered_at <= $2 ORDER BY a.log_index DESC LIMIT 1`,
      [Buffer.from(fingerprint), at],
    );
    return row?.entry_id;
  }
}
