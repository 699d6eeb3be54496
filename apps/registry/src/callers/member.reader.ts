import { Injectable } from '@nestjs/common';
import { Db } from '../db/db.ts';
import type { Membership } from './identity.ts';
import { MemberRow } from './member.row.ts';

@Injectable()
export class MemberReader {
  constructor(private readonly db: Db) {}

  membershipsOf(issuer: string, subject: string): Promise<Membership[]> {
    return this.db.manager.find(MemberRow, {
      select: { organisation: true, role: true },
      where: { issuer, subject },
      order: { organisation: 'ASC', role: 'ASC' },
    });
  }
}
