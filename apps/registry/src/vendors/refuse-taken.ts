import type { Tx } from '../db/db.ts';
import type { Claim } from './claims.ts';
import { VendorFault } from './vendor.fault.ts';
import type { StoredVendor, VendorStore } from './vendor.store.ts';

/** Refuses a vendor whose subject or claims an admitted vendor has: verifiers could not tell the two apart. */
export async function refuseTaken(
  tx: Tx,
  vendors: VendorStore,
  vendor: StoredVendor,
  claims: readonly Claim[],
): Promise<void> {
  if (await vendors.isSubjectTaken(tx, vendor)) {
    throw new VendorFault('vendor/subject-taken', 'Another vendor has this country, state and legal name.');
  }
  const taken = await vendors.findTaken(tx, vendor.id, claims);
  if (taken !== undefined) {
    throw new VendorFault('vendor/claim-taken', `The claim "${taken.value}" overlaps with one of another vendor.`);
  }
}
