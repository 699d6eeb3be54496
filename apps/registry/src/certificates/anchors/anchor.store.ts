import { Injectable } from '@nestjs/common';
import { parseHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import type { Tx } from '../../db/db.ts';
import type { LoggedRecord } from '../../log/append-record.ts';
import { wireTime } from '../../wire-time.ts';
import { AnchorDecisionFault } from './anchor.fault.ts';
import type { AnchorApproval, StoredAnchor, TermsJson } from './anchor.reader.ts';

/** Writes anchors. Every method takes the caller's transaction. */
@Injectable()
export class AnchorStore {
  /** One decision about anchors at a time. */
  async lockDecisions(tx: Tx): Promise<void> {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [ANCHORS_LOCK]);
  }

  async insert(tx: Tx, anchor: StoredAnchor): Promise<void> {
    const { id, vendorId, vendorUri, purpose, certificate, claims, subject, validFrom, validUntil } = anchor;
    const terms: TermsJson = {
      ...{ vendorUri, claims, subject },
      ...{ validFrom: wireTime(validFrom), validUntil: wireTime(validUntil) },
    };
    await tx.query(
      `INSERT INTO anchor (id, vendor_id, purpose, der, fingerprint, spki_sha256, terms, reason, issuer, subject, proposed_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
      [
        ...[id, vendorId, purpose, Buffer.from(certificate.der), Buffer.from(parseHex(certificate.fingerprint))],
        ...[Buffer.from(sha256(certificate.spki)), JSON.stringify(terms), anchor.reason],
        ...[anchor.proposer.issuer, anchor.proposer.subject, anchor.proposedAt],
      ],
    );
  }

  async insertApproval(tx: Tx, id: string, { issuer, subject, note, approvedAt }: AnchorApproval): Promise<void> {
    await tx.query(
      'INSERT INTO anchor_approval (anchor_id, issuer, subject, note, approved_at) VALUES ($1, $2, $3, $4, $5)',
      [id, issuer, subject, note, approvedAt],
    );
  }

  /** Only after its record was appended in the same transaction, which holds the log's head; so is {@link withdraw}. */
  async register(tx: Tx, id: string, at: Date, { index, entryId }: LoggedRecord): Promise<void> {
    await this.move(
      tx,
      `UPDATE anchor SET registered_at = $2, log_index = $3, entry_id = $4
       WHERE id = $1 AND registered_at IS NULL AND withdrawn_at IS NULL`,
      [id, at, index.toString(), entryId],
    );
  }

  /** `entryId` of the record, where the anchor was registered. */
  async withdraw(tx: Tx, id: string, at: Date, entryId: string | null): Promise<void> {
    await this.move(
      tx,
      `UPDATE anchor SET withdrawn_at = $2, withdrawal_entry_id = $3
       WHERE id = $1 AND withdrawn_at IS NULL AND (registered_at IS NOT NULL) = ($3::text IS NOT NULL)`,
      [id, at, entryId],
    );
  }

  private async move(tx: Tx, sql: string, parameters: unknown[]): Promise<void> {
    const [, count] = await tx.query<[unknown, number]>(sql, parameters);
    if (count === 0)
      throw new AnchorDecisionFault('anchor/wrong-state', 'Somebody else has decided about it just now.');
  }
}

const ANCHORS_LOCK = 0x616e6368; // "anch"
