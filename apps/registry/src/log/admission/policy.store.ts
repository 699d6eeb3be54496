import { Injectable } from '@nestjs/common';
import type { Tx } from '../../db/db.ts';

export interface StoredProposal {
  readonly id: string;
  /** What the policy's version will be. */
  readonly version: number;
  readonly document: string;
  readonly reason: string;
  readonly issuer: string;
  readonly subject: string;
  readonly proposedAt: Date;
}

/** The tables of policies. Every method takes the caller's transaction. */
@Injectable()
export class PolicyStore {
  /** One decision about policies at a time, until `tx` ends. */
  async lockDecisions(tx: Tx): Promise<void> {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [POLICY_LOCK]);
  }

  async currentVersion(tx: Tx, logId: number): Promise<number> {
    const [row] = await tx.query<{ version: string | null }[]>(
      'SELECT max(version) AS version FROM registration_policy WHERE log_id = $1',
      [logId],
    );
    return Number(row?.version ?? 0);
  }

  /**
   * The policy counts from `index` on, where it was logged in this transaction: who appends holds the log's head, so no
   * entry can come in between.
   */
  async insertPolicy(
    tx: Tx,
    logId: number,
    { version, index, document, at }: { version: number; index: bigint; document: string; at: Date },
  ): Promise<void> {
    await tx.query('INSERT INTO registration_policy VALUES ($1, $2, $3, $4, $5)', [
      logId,
      version,
      index.toString(),
      document,
      at,
    ]);
    await tx.query('UPDATE log_head SET policy_index = $2 WHERE log_id = $1', [logId, index.toString()]);
  }

  async insertProposal(tx: Tx, logId: number, proposal: StoredProposal): Promise<void> {
    const { id, version, document, reason, issuer, subject, proposedAt } = proposal;
    await tx.query('INSERT INTO policy_proposal VALUES ($1, $2, $3, $4, $5, $6, $7, $8)', [
      id,
      logId,
      version,
      document,
      reason,
      issuer,
      subject,
      proposedAt,
    ]);
  }

  /** `id` may come from a caller as it stands. */
  async findProposal(tx: Tx, logId: number, id: string): Promise<StoredProposal | undefined> {
    if (!/^[\w-]{16}$/.test(id)) return undefined;
    const [row] = await tx.query<ProposalRow[]>('SELECT * FROM policy_proposal WHERE log_id = $1 AND id = $2', [
      logId,
      id,
    ]);
    return row && toProposal(row);
  }
}

export interface ProposalRow {
  id: string;
  version: string;
  document: string;
  reason: string;
  issuer: string;
  subject: string;
  proposed_at: Date;
}

export function toProposal({ proposed_at: proposedAt, version, ...row }: ProposalRow): StoredProposal {
  const { id, document, reason, issuer, subject } = row;
  return { id, document, reason, issuer, subject, version: Number(version), proposedAt };
}

const POLICY_LOCK = 0x706f6c69; // "poli"
