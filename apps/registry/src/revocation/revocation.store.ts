import { Injectable } from '@nestjs/common';
import type { RevocationReason } from '@margo-trust/wire';
import type { Tx } from '../db/db.ts';
import type { CrlState } from './revocation.reader.ts';

/** One decision about one certificate. A later one about the same certificate replaces it. */
export interface NewRevocation {
  readonly serial: string;
  readonly reason: RevocationReason;
  readonly revokedAt: Date;
  readonly invalidityDate?: Date;
  readonly logIndex: bigint;
  readonly entryId: string;
}

export interface NewCrl extends CrlState {
  readonly sha256: Uint8Array;
}

/** Writes decisions and CRLs. Every method takes the caller's transaction; nothing is ever changed. */
@Injectable()
export class RevocationStore {
  /** One decision at a time, so that each is made knowing the one before. */
  async lockDecisions(tx: Tx): Promise<void> {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [DECISION_LOCK]);
  }

  /** Under {@link lockDecisions}: gives the decision the next number. */
  async insert(tx: Tx, revocation: NewRevocation): Promise<void> {
    await tx.query(
      `INSERT INTO revocation (sequence, serial, reason, revoked_at, invalidity_date, log_index, entry_id)
       SELECT coalesce(max(sequence), 0) + 1, $1, $2, $3, $4, $5, $6 FROM revocation`,
      [
        revocation.serial,
        revocation.reason,
        revocation.revokedAt,
        revocation.invalidityDate ?? null,
        revocation.logIndex.toString(),
        revocation.entryId,
      ],
    );
  }

  /** One issuer of CRLs at a time, in whatever process. */
  async lockCrls(tx: Tx): Promise<void> {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [CRL_LOCK]);
  }

  async insertCrl(tx: Tx, crl: NewCrl): Promise<void> {
    await tx.query(
      `INSERT INTO crl (ca, shard, number, sha256, this_update, next_update, sequence)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [
        crl.ca,
        crl.shard,
        crl.number.toString(),
        Buffer.from(crl.sha256),
        crl.thisUpdate,
        crl.nextUpdate,
        crl.sequence.toString(),
      ],
    );
  }
}

const DECISION_LOCK = 0x7265766f; // "revo"
const CRL_LOCK = 0x63726c73; // "crls"
