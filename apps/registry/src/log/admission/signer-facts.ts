import { Injectable } from '@nestjs/common';
import { VerifiedPaths, type RegistrationPolicy } from '@margo-trust/policy';
import { AnchorReader, type StoredAnchor } from '../../certificates/anchors/anchor.reader.ts';
import { type Authority, CertificateReader } from '../../certificates/certificate.reader.ts';
import { Clock } from '../../clock.ts';
import { RateLimitFault } from '../../http/rate-limit.fault.ts';
import { TokenBuckets } from '../../http/token-buckets.ts';
import { VendorReader, type PublishingVendor } from '../../vendors/vendor.reader.ts';

const CACHED_VENDORS = 4096;
const KNOWN_FOR_MS = 1_000;

/** What an admission needs to know of whoever signed, remembered between registrations. */
@Injectable()
export class SignerFacts {
  private known: { paths: VerifiedPaths; authorities: readonly Authority[] } | undefined;
  private signing: { inForce: readonly StoredAnchor[]; anchors: readonly StoredAnchor[] } | undefined;
  private readonly rates = new TokenBuckets(CACHED_VENDORS);
  private readonly vendorsByUri = new Map<string, { vendor: Promise<PublishingVendor | undefined>; at: number }>();

  constructor(
    private readonly certificates: CertificateReader,
    private readonly anchorReader: AnchorReader,
    private readonly vendors: VendorReader,
    private readonly clock: Clock,
  ) {}

  /** The paths to the registry's anchors; other ones as soon as its authorities are others. */
  async paths(): Promise<VerifiedPaths> {
    const authorities = await this.certificates.authorities();
    if (this.known?.authorities !== authorities) {
      this.known = { paths: new VerifiedPaths(await this.certificates.trust()), authorities };
    }
    return this.known.paths;
  }

  /** Those of vendors' own that signatures on artifacts count by; whether one still is in force is asked again at the seal. */
  async anchors(): Promise<readonly StoredAnchor[]> {
    const inForce = await this.anchorReader.inForce();
    if (this.signing?.inForce !== inForce) {
      this.signing = { inForce, anchors: inForce.filter(({ purpose }) => purpose === 'artifact-signing') };
    }
    return this.signing.anchors;
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

  /**
   * Counts a registration of the vendor; throws the RateLimitFault of one that has used up its share. Only once the signature
   * holds: before that, anybody could use up the share of a vendor by sending its certificate.
   */
  limit({ id }: PublishingVendor, { vendorRate }: RegistrationPolicy): void {
    const waitMs = this.rates.take(id, vendorRate, performance.now());
    if (waitMs === 0) return;
    const { perSecond, burst } = vendorRate;
    const message = `The policy allows a vendor ${perSecond} registrations a second, and ${burst} at once.`;
    throw new RateLimitFault('registration/rate-limited', message, { name: 'vendor', perSecond, burst, waitMs });
  }
}
