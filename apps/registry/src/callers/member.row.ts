import type { MemberRole } from '@margo-trust/wire';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** One role of one person in one organisation. */
@Entity('member')
export class MemberRow {
  @PrimaryColumn({ type: 'text' })
  issuer: string;

  @PrimaryColumn({ type: 'text' })
  subject: string;

  /** A vendor's id, or `margo`. */
  @PrimaryColumn({ type: 'text' })
  organisation: string;

  @PrimaryColumn({ type: 'text' })
  role: MemberRole;

  @Column({ type: 'timestamptz' })
  since: Date;
}
