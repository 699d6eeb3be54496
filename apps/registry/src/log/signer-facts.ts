import { Injectable } from '@nestjs/common';
import { VerifiedPaths } from '@margo-trust/policy';
import { CertificateReader } from '../certificates/certificate.reader.ts';
import { Clock } from '../clock.ts';
import { VendorReader, type PublishingVendor } from '../vendors/vendor.reader.ts';

const CACHED_VENDORS = 4096;
const KNOWN_FOR_MS = 1_000;

/** What an admission needs to know of whoever signed, remembered between registrations. */
@Injectable()
export class SignerFacts {
  private known: VerifiedPaths | undefined;
  private readonly vendorsByUri = new Map<string, { vendor: Promise<PublishingVendor | undefined>; at: number }>();

  constructor(
    private readonly certificates: CertificateReader,
    private readonly vendors: VendorReader,
    private readonly clock: Clock,
  ) {}

  /** The paths to the registry's anchors. */
  async paths(): Promise<VerifiedPaths> {
    if (this.known) return this.known;
    const trust = await this.certificates.trust();
    const paths = new VerifiedPaths(trust);
    if (trust.anchors.length > 0) this.known = paths; // none before genesis
    return paths;
  }

  /**
   * Claims are granted once and never withdrawn, so a second-old answer will do here; whether the vendor may publish at all
   * is asked again when its batch is sealed.
   */
  async findVendor(uri: string): Promise<PublishingVendor | undefined> {
    const now = this.clock.now().getTime();
    const known = this.vendorsByUri.get(uri);
    if (known && now - known.at < KNOWN_FOR_MS) return known.vendor;
    // Kept while it is on its way, so that a crowd asks once; what is not there is not kept.
    const asked = { vendor: this.vendors.findByUri(uri), at: now };
    if (this.vendorsByUri.size >= CACHED_VENDORS) this.vendorsByUri.clear();
    this.vendorsByUri.set(uri, asked);
    const forget = (): void => {
      if (this.vendorsByUri.get(uri) === asked) this.vendorsByUri.delete(uri);
    };
    asked.vendor.then((vendor) => vendor ?? forget(), forget);
    return asked.vendor;
  }
}
