import { Injectable } from '@nestjs/common';
import { Batches } from '../db/batches.ts';
import { Db } from '../db/db.ts';
import type { Membership } from './identity.ts';
import { MemberRow } from './member.row.ts';

type Person = Pick<MemberRow, 'issuer' | 'subject'>;

const MAX_BATCH = 256;
const LANES = 2;

/** Reads who belongs where. Every request of somebody asks it: those that come together are answered together. */
@Injectable()
export class MemberReader {
  private readonly asking = new Batches((people: readonly Person[]) => this.read(people), MAX_BATCH, LANES);

  constructor(private readonly db: Db) {}

  membershipsOf(issuer: string, subject: string): Promise<readonly Membership[]> {
    return this.asking.add({ issuer, subject });
  }

  private async read(people: readonly Person[]): Promise<readonly (readonly Membership[])[]> {
    const rows = await this.db.query<Person & Membership>(
      `SELECT issuer, subject, organisation, role FROM member
       WHERE (issuer, subject) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY organisation, role`,
      [people.map(({ issuer }) => issuer), people.map(({ subject }) => subject)],
    );
    return people.map(({ issuer, subject }) =>
      rows
        .filter((row) => row.issuer === issuer && row.subject === subject)
        .map(({ organisation, role }) => ({ organisation, role })),
    );
  }
}
