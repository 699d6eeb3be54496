import { Injectable } from '@nestjs/common';
import type { Tx } from '../db/db.ts';
import { MemberRow } from './member.row.ts';

@Injectable()
export class MemberStore {
  async add(tx: Tx, member: MemberRow): Promise<void> {
    await tx.insert(MemberRow, member);
  }

  async remove(tx: Tx, { issuer, subject, organisation, role }: MemberRow): Promise<void> {
    await tx.delete(MemberRow, { issuer, subject, organisation, role });
  }

  async withRole(tx: Tx, role: MemberRow['role']): Promise<MemberRow[]> {
    return tx.find(MemberRow, { where: { role }, lock: { mode: 'pessimistic_write' } });
  }
}
