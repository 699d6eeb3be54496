import { Injectable } from '@nestjs/common';
import type { CertificateRequest } from '@margo-trust/wire';
import { CallerFault } from '../callers/caller.fault.ts';
import type { Identity } from '../callers/identity.ts';
import { VendorReader } from '../vendors/vendor.reader.ts';
import { IssueCertificate } from './issue-certificate.ts';
import { readRequest } from './read-request.ts';

/** A member of a vendor asks for a signing certificate, to be used for about a year. Returns its serial number. */
@Injectable()
export class RequestCertificate {
  constructor(
    private readonly vendors: VendorReader,
    private readonly issue: IssueCertificate,
  ) {}

  async run(caller: Identity, vendorId: string, { csr, commonName }: CertificateRequest): Promise<string> {
    const vendor = await this.vendors.load(vendorId);
    if (!caller.hasRole(vendorId, 'owner', 'publisher')) {
      throw new CallerFault('caller/forbidden', "Only the vendor's owners and publishers may ask for certificates.");
    }
    return this.issue.run({
      vendor,
      key: readRequest(csr),
      commonName: commonName ?? defaultName(vendor.legalName),
      assurance: 'software',
      actor: caller.name,
    });
  }
}

/** CN has 64 characters, and the longest legal name fills them. */
function defaultName(legalName: string): string {
  const name = `${legalName} release signing`;
  return [...name].length <= 64 ? name : 'Release signing';
}
