import type { Persona, VendorStatus } from '@margo-trust/wire';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** Who may publish. Never deleted: its id is in certificates and in the log. */
@Entity('vendor')
export class VendorRow {
  /** Lower-case ULID. */
  @PrimaryColumn({ type: 'text' })
  id: string;

  @Column({ name: 'legal_name', type: 'text' })
  legalName: string;

  @Column({ type: 'text' })
  country: string;

  @Column({ type: 'text' })
  state: string;

  @Column({ type: 'text', array: true })
  personas: Persona[];

  @Column({ name: 'security_contact', type: 'text' })
  securityContact: string;

  @Column({ type: 'text', nullable: true })
  website: string | null;

  @Column({ type: 'text' })
  status: VendorStatus;

  @Column({ name: 'submitted_at', type: 'timestamptz' })
  submittedAt: Date;

  @Column({ name: 'admitted_at', type: 'timestamptz', nullable: true })
  admittedAt: Date | null;

  @Column({ name: 'suspended_at', type: 'timestamptz', nullable: true })
  suspendedAt: Date | null;

  @Column({ name: 'suspension_reason', type: 'text', nullable: true })
  suspensionReason: string | null;

  /** EntryID of the record that admitted it. */
  @Column({ name: 'admission_entry_id', type: 'text', nullable: true })
  admissionEntryId: string | null;

  /** EntryID of the latest record about it. */
  @Column({ name: 'record_entry_id', type: 'text', nullable: true })
  recordEntryId: string | null;
}
