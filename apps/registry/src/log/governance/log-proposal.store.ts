import { Injectable } from '@nestjs/common';
import { Db, type Tx } from '../../db/db.ts';
import type { LogChange } from './log-change.ts';

export interface LogProposal {
  readonly id: string;
  readonly change: LogChange;
  readonly reason: string;
  readonly issuer: string;
  readonly subject: string;
  readonly proposedAt: Date;
}

interface ProposalRow {
  id: string;
  change: LogChange;
  reason: string;
  issuer: string;
  subject: string;
  proposed_at: Date;
}

/** The tables of proposed changes and of those that were made. What writes takes the caller's transaction. */
@Injectable()
export class LogProposalStore {
  constructor(private readonly db: Db) {}

  /** One decision about logs at a time, until `tx` ends. */
  async lockDecisions(tx: Tx): Promise<void> {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [LOGS_LOCK]);
  }

  async insert(tx: Tx, { id, change, reason, issuer, subject, proposedAt }: LogProposal): Promise<void> {
    await tx.query('INSERT INTO log_proposal VALUES ($1, $2, $3, $4, $5, $6)', [
      ...[id, JSON.stringify(change), reason, issuer, subject, proposedAt],
    ]);
  }

  /** One that nothing was decided about yet. `id` may come from a caller as it stands. */
  async findOpen(tx: Tx, id: string): Promise<LogProposal | undefined> {
    if (!/^[\w-]{16}$/.test(id)) return undefined;
    const [row] = (await tx.query(`${OPEN} AND p.id = $1`, [id])) as ProposalRow[];
    return row && toProposal(row);
  }

  async insertDecision(
    tx: Tx,
    id: string,
    by: { issuer: string; subject: string },
    entryId: string,
    at: Date,
  ): Promise<void> {
    await tx.query('INSERT INTO log_decision VALUES ($1, $2, $3, $4, $5)', [id, by.issuer, by.subject, entryId, at]);
  }

  /** Those that nothing was decided about, newest first, 200 at most. */
  async listOpen(): Promise<LogProposal[]> {
    const rows = await this.db.query<ProposalRow>(`${OPEN} ORDER BY p.proposed_at DESC, p.id DESC LIMIT 200`);
    return rows.map(toProposal);
  }
}

const OPEN = `SELECT p.* FROM log_proposal p LEFT JOIN log_decision d ON d.proposal = p.id WHERE d.proposal IS NULL`;
const LOGS_LOCK = 0x6c6f6773; // "logs"

function toProposal({ proposed_at: proposedAt, ...row }: ProposalRow): LogProposal {
  const { id, change, reason, issuer, subject } = row;
  return { id, change, reason, issuer, subject, proposedAt };
}
