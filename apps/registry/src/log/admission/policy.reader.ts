import { Injectable } from '@nestjs/common';
import { parseRegistrationPolicy, type RegistrationPolicy } from '@margo-trust/policy';
import { encodeBase64Url } from '@margo-trust/bytes';
import { Clock } from '../../clock.ts';
import { Db } from '../../db/db.ts';
import { LogIdentity } from '../log-identity.ts';
import { LogFault } from '../log.fault.ts';
import { toProposal, type ProposalRow, type StoredProposal } from './policy.store.ts';

/** A policy as it was logged. It counts for every entry above `index`, up to the next policy. */
export interface LoggedPolicy {
  readonly index: bigint;
  readonly entryId: string;
  readonly decidedAt: Date;
  readonly policy: RegistrationPolicy;
}

const KNOWN_FOR_MS = 1_000;
const LISTED = 200;

/** The registration policy, its history and what is proposed. */
@Injectable()
export class PolicyReader {
  private known: { logged: LoggedPolicy; at: number } | undefined;

  constructor(
    private readonly db: Db,
    private readonly identity: LogIdentity,
    private readonly clock: Clock,
  ) {}

  /**
   * The policy as committed a second ago or later. Enough to judge by, since sealing compares its index with the one that
   * stands beside the head, and whoever finds another there judges again: see {@link forget}.
   */
  async current(): Promise<LoggedPolicy> {
    const now = this.clock.now().getTime();
    if (this.known !== undefined && Math.abs(now - this.known.at) < KNOWN_FOR_MS) return this.known.logged;
    const [logged] = await this.history(1);
    if (logged === undefined)
      throw new LogFault('log/not-open', 'This registry has not been founded yet: it has no log.');
    this.known = { logged, at: now };
    return logged;
  }

  /** The next question is put to the database. */
  forget(): void {
    this.known = undefined;
  }

  /** Newest first, 200 at most. */
  async history(limit = LISTED): Promise<LoggedPolicy[]> {
    const rows = await this.db.query<PolicyRow>(
      `SELECT p.index, p.document, p.decided_at, e.entry
       FROM registration_policy p JOIN log_entry e ON e.log_id = p.log_id AND e.index = p.index
       WHERE p.log_id = $1 ORDER BY p.version DESC LIMIT $2`,
      [this.identity.logId, limit],
    );
    return rows.map(({ index, document, decided_at: decidedAt, entry }) => ({
      index: BigInt(index),
      entryId: encodeBase64Url(entry),
      decidedAt,
      policy: parseRegistrationPolicy(document),
    }));
  }

  /** What may still be adopted, newest first, 200 at most. */
  async openProposals(): Promise<StoredProposal[]> {
    const rows = await this.db.query<ProposalRow>(
      `SELECT * FROM policy_proposal
       WHERE log_id = $1 AND version > (SELECT max(version) FROM registration_policy WHERE log_id = $1)
       ORDER BY proposed_at DESC, id DESC LIMIT ${LISTED}`,
      [this.identity.logId],
    );
    return rows.map(toProposal);
  }
}

interface PolicyRow {
  index: string;
  document: string;
  decided_at: Date;
  entry: Buffer;
}
