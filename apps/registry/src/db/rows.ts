import { MemberRow } from '../callers/member.row.ts';
import { VendorApprovalRow } from '../vendors/vendor-approval.row.ts';
import { VendorClaimRow } from '../vendors/vendor-claim.row.ts';
import { VendorRow } from '../vendors/vendor.row.ts';

/** Every table that TypeORM maps. Tables reached by SQL alone are not listed. */
export const ROWS = [MemberRow, VendorRow, VendorClaimRow, VendorApprovalRow] as const;
