import { encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import type { Claims } from '@margo-trust/statement';
import { VerifyFault } from './fault.ts';
import { openRecord } from './governance-record.ts';
import { JsonReader } from './json.ts';
import { readClaims, type PublishedVendor, type TrustRoot } from './trust-root.ts';
import type { TrustedTime } from './trusted-time.ts';

/** The vendors of a trust root, each with its admission proven before it is handed out. */
export class VendorDirectory {
  private readonly trust: TrustRoot;
  private readonly time: TrustedTime;
  private readonly proven = new Map<string, PublishedVendor>();

  constructor(trust: TrustRoot, time: TrustedTime) {
    this.trust = trust;
    this.time = time;
  }

  /**
   * The vendor behind an issuer URI. The online role alone cannot add one: the record of its admission must be signed
   * by the registry's record key, be in the log, and grant the claims that are published.
   */
  load(uri: string): PublishedVendor {
    const known = this.proven.get(uri);
    if (known) return known;
    const suffix = `.vendors.${this.trust.domain}/`;
    const id = uri.startsWith('https://') && uri.endsWith(suffix) ? uri.slice(8, -suffix.length) : '';
    const vendor = /^[0-9a-z-]{1,63}$/.test(id) ? this.trust.findVendor(id) : undefined;
    if (!vendor || vendor.uri !== uri) {
      throw new VerifyFault('verify/unknown-vendor', `The trust root knows no vendor ${uri}.`);
    }
    this.verifyAdmission(vendor);
    this.proven.set(uri, vendor);
    return vendor;
  }

  /**
   * The OpenPGP keys of the vendor, by the fingerprints that their records give. The online role alone cannot add one either: the
   * record of its registration must be signed by the registry's record key, be in the log, and name these bytes.
   */
  openpgpKeys(vendor: PublishedVendor): ReadonlyMap<string, Uint8Array> {
    const keys = vendor.openpgpKeys.map(({ key, record }) => {
      const unproven = (message: string, cause?: unknown) =>
        new VerifyFault('verify/vendor-unproven', `An OpenPGP key of ${vendor.legalName} is not proven: ${message}`, {
          cause,
        });
      const payload = this.readRecord(record, vendor, unproven);
      payload.get('record').oneOf('openpgp-key-registered');
      if (payload.get('keySha256').text(64) !== encodeHex(sha256(key))) throw unproven('its record names another key.');
      return [payload.get('fingerprint').text(64), key] as const;
    });
    return new Map(keys);
  }

  /**
   * The same for whoever asks early, and leaves the refusal to its place: nothing where {@link load} would throw, except that the file
   * of the vendor is not at hand.
   */
  find(uri: string): { readonly vendor?: PublishedVendor; readonly missing?: Fault } {
    try {
      return { vendor: this.load(uri) };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return error.code === 'tuf/missing-target' ? { missing: error } : {};
    }
  }

  private verifyAdmission(vendor: PublishedVendor): void {
    const unproven = (message: string, cause?: unknown) =>
      new VerifyFault('verify/vendor-unproven', `The approval of ${vendor.legalName} is not proven: ${message}`, {
        cause,
      });
    const payload = this.readRecord(vendor.record, vendor, unproven);
    payload.get('record').oneOf('vendor-admitted');
    if (payload.get('uri').value !== vendor.uri) throw unproven('its record is about somebody else.');
    if (!isSubset(vendor.claims, readClaims(payload.get('claims'))))
      throw unproven('it publishes claims that were not granted.');
  }

  /** What a record of the registry says about a vendor, once its signature and its place in the log are proven. */
  private readRecord(
    bytes: Uint8Array,
    { id }: PublishedVendor,
    unproven: (message: string, cause?: unknown) => VerifyFault,
  ): JsonReader {
    const record = openRecord(bytes, { trust: this.trust, time: this.time }, unproven);
    if (record.subject !== `vendor:${id}`) throw unproven('its record is about somebody else.');
    return JsonReader.parse(record.payload, 'record', { maxBytes: 65536 }, unproven);
  }
}

function isSubset(published: Claims, granted: Claims): boolean {
  return (
    published.applicationIdPrefixes.every((prefix) => granted.applicationIdPrefixes.includes(prefix)) &&
    published.ociNamespaces.every((namespace) => granted.ociNamespaces.includes(namespace))
  );
}
