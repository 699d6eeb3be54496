import { Injectable } from '@nestjs/common';
import type { Tx } from '../../db/db.ts';
import { LogFault } from '../log.fault.ts';

/** Why the public no longer gets a statement, and the record that says so. */
export interface WithholdingNote {
  readonly reason: string;
  readonly recordEntryId: string;
  readonly at: Date;
}

/** A decision as the log has it on record. */
export interface WithholdingDecision extends WithholdingNote {
  readonly kind: 'restricted' | 'released' | 'erased';
  readonly entry: Uint8Array;
}

export interface ErasureVote {
  readonly issuer: string;
  readonly subject: string;
  readonly reason: string;
  readonly votedAt: Date;
}

/**
 * The tables of statements that are withheld. Every method takes the caller's transaction, and expects that it has appended
 * the record already: so it holds the log's head, and two decisions about one statement come one after the other.
 */
@Injectable()
export class WithholdingStore {
  async restrict(tx: Tx, entry: Uint8Array, { reason, recordEntryId, at }: WithholdingNote): Promise<void> {
    const moved = await tx.query<unknown[]>(
      `WITH taken AS (DELETE FROM statement WHERE entry = $1 RETURNING *),
       kept AS (
         INSERT INTO restricted_statement SELECT entry, body, chain_id, timestamp_token, $2, $3, $4 FROM taken RETURNING 1)
       SELECT * FROM kept`,
      [Buffer.from(entry), reason, recordEntryId, at],
    );
    if (moved.length !== 1) throw new LogFault('log/already-withheld', 'This statement is withheld already.');
  }

  async release(tx: Tx, entry: Uint8Array): Promise<void> {
    const moved = await tx.query<unknown[]>(
      `WITH taken AS (DELETE FROM restricted_statement WHERE entry = $1 RETURNING *),
       kept AS (INSERT INTO statement SELECT entry, body, chain_id, timestamp_token FROM taken RETURNING 1)
       SELECT * FROM kept`,
      [Buffer.from(entry)],
    );
    if (moved.length !== 1) throw new LogFault('log/not-restricted', 'This statement is not restricted.');
  }

  /** Takes the bytes away for good. */
  async erase(tx: Tx, entry: Uint8Array, { reason, recordEntryId, at }: WithholdingNote): Promise<void> {
    const gone = await tx.query<unknown[]>(
      `WITH open AS (DELETE FROM statement WHERE entry = $1 RETURNING 1),
       restricted AS (DELETE FROM restricted_statement WHERE entry = $1 RETURNING 1)
       SELECT * FROM open UNION ALL SELECT * FROM restricted`,
      [Buffer.from(entry)],
    );
    if (gone.length !== 1) throw new LogFault('log/statement-erased', 'This statement was erased before.');
    await tx.query('INSERT INTO statement_erasure VALUES ($1, $2, $3, $4)', [
      Buffer.from(entry),
      reason,
      recordEntryId,
      at,
    ]);
  }

  /**
   * Carries out once more what the log has on record, for a database that is older than the record or was made from it. A statement that
   * is restricted, and whose bytes are not here, counts as no longer kept.
   */
  async carryOut(tx: Tx, { kind, entry, reason, recordEntryId, at }: WithholdingDecision): Promise<void> {
    const note = [Buffer.from(entry), reason, recordEntryId, at];
    if (kind === 'released') {
      await tx.query(
        `WITH taken AS (DELETE FROM restricted_statement WHERE entry = $1 RETURNING *)
         INSERT INTO statement SELECT entry, body, chain_id, timestamp_token FROM taken ON CONFLICT DO NOTHING`,
        [Buffer.from(entry)],
      );
      return;
    }
    if (kind === 'restricted') {
      await tx.query(
        `WITH taken AS (DELETE FROM statement WHERE entry = $1 RETURNING *)
         INSERT INTO restricted_statement SELECT entry, body, chain_id, timestamp_token, $2, $3, $4 FROM taken
         ON CONFLICT DO NOTHING`,
        note,
      );
    } else {
      await tx.query('DELETE FROM restricted_statement WHERE entry = $1', [Buffer.from(entry)]);
      await tx.query('DELETE FROM statement WHERE entry = $1', [Buffer.from(entry)]);
    }
    await tx.query(
      `INSERT INTO statement_erasure SELECT $1::bytea, $2::text, $3::text, $4::timestamptz
       WHERE NOT EXISTS (SELECT FROM restricted_statement WHERE entry = $1::bytea) ON CONFLICT DO NOTHING`,
      note,
    );
  }

  /** Takes away again what was put into the open table although it is withheld: another log has it on record, or an older copy showed it. */
  async keepWithheld(tx: Tx, entries: readonly Uint8Array[]): Promise<void> {
    await tx.query(
      `DELETE FROM statement s WHERE s.entry = ANY($1) AND (EXISTS (SELECT FROM statement_erasure e WHERE e.entry = s.entry)
         OR EXISTS (SELECT FROM restricted_statement r WHERE r.entry = s.entry))`,
      [entries.map((entry) => Buffer.from(entry))],
    );
  }

  /** One vote about erasures at a time, until `tx` ends. */
  async lockVotes(tx: Tx): Promise<void> {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [ERASURE_LOCK]);
  }

  async votesFor(tx: Tx, entry: Uint8Array): Promise<ErasureVote[]> {
    return tx.query<ErasureVote[]>(
      'SELECT issuer, subject, reason, voted_at AS "votedAt" FROM erasure_vote WHERE entry = $1 ORDER BY voted_at',
      [Buffer.from(entry)],
    );
  }

  async insertVote(tx: Tx, entry: Uint8Array, { issuer, subject, reason, votedAt }: ErasureVote): Promise<void> {
    await tx.query('INSERT INTO erasure_vote VALUES ($1, $2, $3, $4, $5)', [
      Buffer.from(entry),
      issuer,
      subject,
      reason,
      votedAt,
    ]);
  }
}

const ERASURE_LOCK = 0x65726173; // "eras"
