import { Column, Entity, PrimaryColumn } from 'typeorm';

/** One governance member's yes. Rows are only ever inserted: see migrations/0004-vendors.ts. */
@Entity('vendor_approval')
export class VendorApprovalRow {
  @PrimaryColumn({ name: 'vendor_id', type: 'text' })
  vendorId: string;

  @PrimaryColumn({ type: 'text' })
  issuer: string;

  @PrimaryColumn({ type: 'text' })
  subject: string;

  @Column({ type: 'text' })
  note: string;

  @Column({ name: 'approved_at', type: 'timestamptz' })
  approvedAt: Date;
}
