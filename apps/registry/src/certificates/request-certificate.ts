import { Injectable } from '@nestjs/common';
import type { CertificateRequest } from '@margo-trust/wire';
import { CallerFault } from '../callers/caller.fault.ts';
import type { Identity } from '../callers/identity.ts';
import { Clock } from '../clock.ts';
import { Config } from '../config.ts';
import { VendorReader } from '../vendors/vendor.reader.ts';
import type { IssuedCertificate } from './certificate.reader.ts';
import { IssueCertificate } from './issue-certificate.ts';
import { readAttestation } from './read-attestation.ts';
import { readRequest } from './read-request.ts';

/** A member of a vendor asks for a signing certificate, to be used for about a year. Whoever proves that the key lies in
 * hardware gets one that says so. */
@Injectable()
export class RequestCertificate {
  constructor(
    private readonly vendors: VendorReader,
    private readonly issue: IssueCertificate,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  async run(
    caller: Identity,
    vendorId: string,
    { csr, commonName, attestation }: CertificateRequest,
  ): Promise<IssuedCertificate> {
    const vendor = await this.vendors.load(vendorId);
    if (!caller.hasRole(vendorId, 'owner', 'publisher')) {
      throw new CallerFault('caller/forbidden', "Only the vendor's owners and publishers may ask for certificates.");
    }
    const key = await readRequest(csr);
    const { attestationRoots } = this.config;
    const attested =
      attestation === undefined ? undefined : readAttestation(attestation, key, attestationRoots, this.clock.now());
    return this.issue.run({
      vendor,
      key,
      commonName: commonName ?? defaultName(vendor.legalName),
      assurance: attested ? 'hardware' : 'software',
      actor: caller.name,
      ...(attested && { ground: { attestation: attested } }),
    });
  }
}

/** CN has 64 characters, and the longest legal name fills them. */
function defaultName(legalName: string): string {
  const name = `${legalName} release signing`;
  return [...name].length <= 64 ? name : 'Release signing';
}
