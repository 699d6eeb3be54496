import { Injectable } from '@nestjs/common';
import type { Tx } from '../db/db.ts';
import type { Verdict } from './decide-revocation.ts';
import type { CrlState, RevocationSubject } from './revocation.reader.ts';

/** A decision about subjects that are all treated alike, with its record in the log. A later one about the same replaces it. */
export interface NewRevocation extends Verdict {
  readonly revokedAt: Date;
  readonly approvals: number;
  readonly logIndex: bigint;
  readonly entryId: string;
}

export interface NewCrl extends Omit<CrlState, 'twin'> {
  readonly sha256: Uint8Array;
}

/** A long-lived copy of the CRL with this number. */
export type NewTwin = Pick<NewCrl, 'ca' | 'shard' | 'number' | 'nextUpdate' | 'sha256'>;

/** Somebody's wish that a subject be trusted more than the decision `after` allows. */
export interface RevocationVote extends Verdict {
  readonly subject: RevocationSubject;
  readonly after: bigint;
  readonly voter: { readonly issuer: string; readonly subject: string };
  readonly at: Date;
}

/** Writes decisions and CRLs. Every method takes the caller's transaction; nothing is ever changed. */
@Injectable()
export class RevocationStore {
  /** One decision at a time, so that each is made knowing the one before. */
  async lockDecisions(tx: Tx): Promise<void> {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [DECISION_LOCK]);
  }

  /** Under {@link lockDecisions}: gives the decisions the next numbers. */
  async insert(tx: Tx, subjects: readonly RevocationSubject[], revocation: NewRevocation): Promise<void> {
    await tx.query(
      `INSERT INTO revocation (sequence, kind, target, vendor_id, serial, reason, revoked_at, invalidity_date, approvals,
                               log_index, entry_id)
       SELECT (SELECT coalesce(max(sequence), 0) FROM revocation) + n, kind, target, vendor_id,
              CASE WHEN kind = 'certificate' THEN target END, $4, $5, $6, $7, $8, $9
       FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS s (kind, target, vendor_id, n)`,
      [
        subjects.map(({ kind }) => kind),
        subjects.map(({ target }) => target),
        subjects.map(({ vendorId }) => vendorId ?? null),
        revocation.reason,
        revocation.revokedAt,
        revocation.invalidityDate ?? null,
        revocation.approvals,
        revocation.logIndex.toString(),
        revocation.entryId,
      ],
    );
  }

  /** Who has voted for exactly this since the decision that it would replace. */
  async votersFor(tx: Tx, { after, reason, invalidityDate }: RevocationVote): Promise<RevocationVote['voter'][]> {
    return tx.query<RevocationVote['voter'][]>(
      `SELECT issuer, subject FROM revocation_vote
       WHERE after_sequence = $1 AND reason = $2 AND invalidity_date IS NOT DISTINCT FROM $3`,
      [after.toString(), reason, invalidityDate ?? null],
    );
  }

  async insertVote(tx: Tx, { subject, after, reason, invalidityDate, voter, at }: RevocationVote): Promise<void> {
    await tx.query('INSERT INTO revocation_vote VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)', [
      subject.kind,
      subject.target,
      subject.vendorId ?? null,
      after.toString(),
      reason,
      invalidityDate ?? null,
      voter.issuer,
      voter.subject,
      at,
    ]);
  }

  /** One issuer of CRLs at a time, in whatever process; and not for long, if that stands still. */
  async lockCrls(tx: Tx): Promise<void> {
    await tx.query(`SELECT pg_advisory_xact_lock($1), set_config('idle_in_transaction_session_timeout', $2, true)`, [
      CRL_LOCK,
      STANDS_STILL,
    ]);
  }

  async insertCrls(tx: Tx, crls: readonly NewCrl[], twins: readonly NewTwin[]): Promise<void> {
    await tx.query(
      `INSERT INTO crl (ca, shard, number, sha256, this_update, next_update, sequence)
       SELECT * FROM unnest($1::text[], $2::smallint[], $3::numeric[], $4::bytea[], $5::timestamptz[], $6::timestamptz[], $7::bigint[])`,
      [
        ...columns(crls),
        crls.map(({ thisUpdate }) => thisUpdate),
        crls.map(({ nextUpdate }) => nextUpdate),
        crls.map(({ sequence }) => sequence.toString()),
      ],
    );
    await tx.query(
      `INSERT INTO crl_twin (ca, shard, number, sha256, next_update)
       SELECT * FROM unnest($1::text[], $2::smallint[], $3::numeric[], $4::bytea[], $5::timestamptz[])`,
      [...columns(twins), twins.map(({ nextUpdate }) => nextUpdate)],
    );
  }

  /** Under {@link lockCrls}: all CRLs of these CAs know the decisions up to `sequence` that concern them. */
  async noteProgress(tx: Tx, cas: readonly string[], sequence: bigint): Promise<void> {
    await tx.query(
      `INSERT INTO crl_progress SELECT ca, $2 FROM unnest($1::text[]) AS c (ca)
       ON CONFLICT (ca) DO UPDATE SET sequence = excluded.sequence`,
      [cas, sequence.toString()],
    );
  }
}

function columns(crls: readonly Pick<NewCrl, 'ca' | 'shard' | 'number' | 'sha256'>[]): unknown[][] {
  return [
    crls.map(({ ca }) => ca),
    crls.map(({ shard }) => shard),
    crls.map(({ number }) => number.toString()),
    crls.map(({ sha256 }) => Buffer.from(sha256)),
  ];
}

const DECISION_LOCK = 0x7265766f; // "revo"
/** Milliseconds of a publisher that does nothing, as of a worker (worker.ts). */
const STANDS_STILL = '20000';
const CRL_LOCK = 0x63726c73; // "crls"
