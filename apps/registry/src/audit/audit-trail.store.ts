import { Injectable } from '@nestjs/common';
import { Clock } from '../clock.ts';
import { Db, type Tx } from '../db/db.ts';

export interface AuditEvent {
  /** `issuer#subject` of a person, or the part of the service that acted. */
  actor: string;
  /** What was done: past tense, kebab-case. */
  action: string;
  /** What it was done to: `vendor:<id>`, `certificate:<fingerprint>` … */
  subject: string;
  detail: object;
}

/** Who changed what, in the transaction of the change itself. Append-only: see migrations/0001-ground.ts. */
@Injectable()
export class AuditTrail {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  append(tx: Tx, event: AuditEvent): Promise<void> {
    return this.appendAll(tx, [event]);
  }

  async appendAll(tx: Tx, events: readonly AuditEvent[]): Promise<void> {
    if (events.length === 0) return;
    await this.db.prepared(
      tx,
      `INSERT INTO audit_event (at, actor, action, subject, detail)
       SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::jsonb[])`,
      [
        this.clock.now(),
        events.map(({ actor }) => actor),
        events.map(({ action }) => action),
        events.map(({ subject }) => subject),
        events.map(({ detail }) => JSON.stringify(detail)),
      ],
    );
  }
}
