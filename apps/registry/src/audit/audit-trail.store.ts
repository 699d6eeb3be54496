import { Injectable } from '@nestjs/common';
import { Clock } from '../clock.ts';
import type { Tx } from '../db/db.ts';

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
  constructor(private readonly clock: Clock) {}

  async append(tx: Tx, event: AuditEvent): Promise<void> {
    await tx.query('INSERT INTO audit_event (at, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5)', [
      this.clock.now(),
      event.actor,
      event.action,
      event.subject,
      JSON.stringify(event.detail),
    ]);
  }
}
