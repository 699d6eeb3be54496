import { Injectable } from '@nestjs/common';
import { Db, type Tx } from '../db/db.ts';
import { ServedLog } from '../log/served-log.ts';
import type { FilterText } from './follow-query.ts';

/** Somebody who is told of new entries at an address. */
export interface Subscription {
  readonly id: string;
  readonly organisation: string;
  readonly url: string;
  readonly filter: FilterText;
  /** Of the signatures; 32 bytes. */
  readonly secret: Uint8Array;
  /** Index of the entry that is looked at next. Whatever is below was taken, or did not match. */
  readonly position: bigint;
  /** Attempts that failed since the last that did not, and since when. */
  readonly failures: number;
  readonly failingSince?: Date;
  readonly nextAttemptAt: Date;
  readonly disabledAt?: Date;
  readonly createdAt: Date;
}

export type Outcome = 'delivered' | 'refused' | 'unreachable' | 'forbidden';

/** One attempt. */
export interface Delivery {
  readonly index: bigint;
  readonly at: Date;
  readonly outcome: Outcome;
  readonly status?: number;
  readonly milliseconds: number;
}

/** Attempts that are kept for each subscription. */
const KEPT = 1_000;

interface Row {
  id: string;
  organisation: string;
  url: string;
  filter: FilterText;
  secret: Buffer;
  position: string;
  failures: number;
  failing_since: Date | null;
  next_attempt_at: Date;
  disabled_at: Date | null;
  created_at: Date;
}

interface DeliveryRow {
  index: string;
  at: Date;
  outcome: Outcome;
  status: number | null;
  milliseconds: number;
}

/** Subscriptions to the served log and what became of each attempt. A holder's writes count only while its lease does. */
@Injectable()
export class SubscriptionStore {
  constructor(
    private readonly db: Db,
    private readonly log: ServedLog,
  ) {}

  async insert(tx: Tx, subscription: Subscription, createdBy: string): Promise<void> {
    const { id, organisation, url, filter, secret, position, createdAt } = subscription;
    await tx.query(
      `INSERT INTO log_subscription (id, organisation, url, filter, secret, position, created_at, created_by, next_attempt_at,
                                     log_id)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $7, $9)`,
      [
        ...[
          id,
          organisation,
          url,
          JSON.stringify(filter),
          Buffer.from(secret),
          position.toString(),
          createdAt,
          createdBy,
        ],
        this.log.id,
      ],
    );
  }

  /** Holds an organisation's subscriptions, to whichever log, until the transaction ends, and counts them. */
  async count(tx: Tx, organisation: string): Promise<number> {
    await tx.query('SELECT pg_advisory_xact_lock($1, hashtext($2))', [SUBSCRIPTIONS_LOCK, organisation]);
    const [row] = await tx.query<{ count: number }[]>(
      'SELECT count(*)::int AS count FROM log_subscription WHERE organisation = $1',
      [organisation],
    );
    return row?.count ?? 0;
  }

  async of(organisations: readonly string[]): Promise<Subscription[]> {
    const rows = await this.db.query<Row>(
      'SELECT * FROM log_subscription WHERE organisation = ANY($1) AND log_id = $2 ORDER BY id DESC',
      [[...organisations], this.log.id],
    );
    return rows.map(toSubscription);
  }

  async find(id: string): Promise<Subscription | undefined> {
    const [row] = await this.db.query<Row>('SELECT * FROM log_subscription WHERE id = $1 AND log_id = $2', [
      id,
      this.log.id,
    ]);
    return row && toSubscription(row);
  }

  async remove(tx: Tx, id: string): Promise<void> {
    await tx.query('DELETE FROM log_subscription WHERE id = $1', [id]);
  }

  /** Goes to a position, at once and without the failures of the past. Whoever delivers at the moment loses its lease. */
  async rewind(tx: Tx, id: string, position: bigint, now: Date): Promise<void> {
    await tx.query(
      `UPDATE log_subscription SET position = $2, failures = 0, failing_since = NULL, disabled_at = NULL,
         next_attempt_at = $3, lease = NULL, leased_until = NULL WHERE id = $1`,
      [id, position.toString(), now],
    );
  }

  async deliveries(id: string, limit: number): Promise<Delivery[]> {
    const rows = await this.db.query<DeliveryRow>(
      'SELECT * FROM log_delivery WHERE subscription_id = $1 ORDER BY number DESC LIMIT $2',
      [id, limit],
    );
    return rows.map((row) => ({
      index: BigInt(row.index),
      at: row.at,
      outcome: row.outcome,
      ...(row.status !== null && { status: row.status }),
      milliseconds: row.milliseconds,
    }));
  }

  async hasDue(size: bigint, now: Date): Promise<boolean> {
    const rows = await this.db.query(`SELECT 1 FROM log_subscription WHERE ${DUE} AND log_id = $3 LIMIT 1`, [
      ...[size.toString(), now, this.log.id],
    ]);
    return rows.length > 0;
  }

  /** Takes subscriptions that have something to look at, for a while: nobody else delivers for them until then. */
  async lease(tx: Tx, size: bigint, limit: number, now: Date, until: Date, lease: string): Promise<Subscription[]> {
    const rows = await tx.query<[Row[], number]>(
      `UPDATE log_subscription SET lease = $3, leased_until = $4 WHERE id IN (
         SELECT id FROM log_subscription WHERE ${DUE} AND log_id = $6 ORDER BY next_attempt_at LIMIT $5 FOR UPDATE SKIP LOCKED)
       RETURNING *`,
      [size.toString(), now, lease, until, limit, this.log.id],
    );
    return rows[0].map(toSubscription);
  }

  /** Notes an attempt, and what follows from it. False when the lease is gone: the caller stops. */
  async note(tx: Tx, id: string, lease: string, delivery: Delivery, next: Progress): Promise<boolean> {
    const isHeld = await this.progress(tx, id, lease, next);
    if (!isHeld) return false;
    const [row] = await tx.query<[{ deliveries: string }[], number]>(
      'UPDATE log_subscription SET deliveries = deliveries + 1 WHERE id = $1 RETURNING deliveries',
      [id],
    );
    const number = BigInt(row[0]?.deliveries ?? 0);
    await tx.query(
      `INSERT INTO log_delivery (subscription_id, number, index, at, outcome, status, milliseconds)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [
        id,
        number.toString(),
        delivery.index.toString(),
        delivery.at,
        delivery.outcome,
        delivery.status ?? null,
        delivery.milliseconds,
      ],
    );
    await tx.query('DELETE FROM log_delivery WHERE subscription_id = $1 AND number <= $2', [
      id,
      (number - BigInt(KEPT)).toString(),
    ]);
    return true;
  }

  /** Moves on, if the lease still holds. */
  async progress(tx: Tx, id: string, lease: string, next: Progress): Promise<boolean> {
    const [, moved] = await tx.query<[unknown, number]>(
      `UPDATE log_subscription SET position = $3, failures = $4, failing_since = $5, next_attempt_at = $6, disabled_at = $7
       WHERE id = $1 AND lease = $2`,
      [
        id,
        lease,
        next.position.toString(),
        next.failures,
        next.failingSince ?? null,
        next.nextAttemptAt,
        next.disabledAt ?? null,
      ],
    );
    return moved === 1;
  }

  async release(tx: Tx, id: string, lease: string): Promise<void> {
    await tx.query('UPDATE log_subscription SET lease = NULL, leased_until = NULL WHERE id = $1 AND lease = $2', [
      id,
      lease,
    ]);
  }
}

export type Progress = Pick<Subscription, 'position' | 'failures' | 'failingSince' | 'nextAttemptAt' | 'disabledAt'>;

const DUE = `disabled_at IS NULL AND position < $1 AND next_attempt_at <= $2
  AND (leased_until IS NULL OR leased_until < $2)`;
const SUBSCRIPTIONS_LOCK = 0x73756273; // "subs"

function toSubscription(row: Row): Subscription {
  return {
    id: row.id,
    organisation: row.organisation,
    url: row.url,
    filter: row.filter,
    secret: Uint8Array.from(row.secret),
    position: BigInt(row.position),
    failures: row.failures,
    ...(row.failing_since && { failingSince: row.failing_since }),
    nextAttemptAt: row.next_attempt_at,
    ...(row.disabled_at && { disabledAt: row.disabled_at }),
    createdAt: row.created_at,
  };
}
