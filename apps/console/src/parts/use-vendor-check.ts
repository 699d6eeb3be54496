import { useEffect, useState } from 'preact/hooks';
import { registrySource } from '../checks/source.ts';
import { VENDOR_CHECKS, verifyVendor, type VendorFindings } from '../checks/vendor.ts';
import { browserMemory } from '../memory.ts';

/** The checks of a vendor, made when its page opens. */
export function useVendorCheck(id: string): VendorFindings {
  const [findings, keep] = useState<VendorFindings>({ steps: VENDOR_CHECKS });
  useEffect(() => {
    let isCurrent = true;
    const show = (found: VendorFindings) => {
      if (isCurrent) keep(found);
    };
    keep({ steps: VENDOR_CHECKS });
    void verifyVendor(id, { source: registrySource, memory: browserMemory(), now: new Date() }, show);
    return () => {
      isCurrent = false;
    };
  }, [id]);
  return findings;
}
