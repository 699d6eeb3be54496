import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { ClaimKind } from './claims.ts';

/** Something a vendor says is its own. It counts from `grantedAt` on. */
@Entity('vendor_claim')
export class VendorClaimRow {
  @PrimaryColumn({ name: 'vendor_id', type: 'text' })
  vendorId: string;

  @PrimaryColumn({ type: 'text' })
  kind: ClaimKind;

  @PrimaryColumn({ type: 'text' })
  value: string;

  @Column({ name: 'granted_at', type: 'timestamptz', nullable: true })
  grantedAt: Date | null;
}
