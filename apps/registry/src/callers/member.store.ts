import { Injectable } from '@nestjs/common';
import type { Tx } from '../db/db.ts';
import { MemberRow } from './member.row.ts';

@Injectable()
export class MemberStore {
  /**
   * One changer of governance's seats at a time, until `tx` ends. Not by row locks: they are writes, so that a start which changes nothing
   * would wait for a standby that is away.
   */
  async lockSeats(tx: Tx): Promise<void> {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [SEATS_LOCK]);
  }

  async add(tx: Tx, member: MemberRow): Promise<void> {
    await tx.insert(MemberRow, member);
  }

  async remove(tx: Tx, { issuer, subject, organisation, role }: MemberRow): Promise<void> {
    await tx.delete(MemberRow, { issuer, subject, organisation, role });
  }

  async withRole(tx: Tx, role: MemberRow['role']): Promise<MemberRow[]> {
    return tx.find(MemberRow, { where: { role } });
  }
}

const SEATS_LOCK = 0x73656174; // "seat"
