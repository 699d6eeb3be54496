import { areEqualBytes } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { parseStatement, verifyStatementSignature, type Claims, type Statement } from '@margo-trust/statement';
import { VerifyFault } from './fault.ts';
import { JsonReader } from './json.ts';
import { isRecordKeyAt, readClaims, type PublishedVendor, type TrustRoot } from './trust-root.ts';
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

  private verifyAdmission(vendor: PublishedVendor): void {
    const unproven = (message: string, cause?: unknown) =>
      new VerifyFault('verify/vendor-unproven', `The approval of ${vendor.legalName} is not proven: ${message}`, {
        cause,
      });
    let record: Statement;
    try {
      record = parseStatement(vendor.record);
      const signer = this.trust.records.find(({ kid }) => record.kid && areEqualBytes(kid, record.kid));
      if (!signer || record.issuer !== this.trust.registry)
        throw unproven('its record is signed by a key we do not know.');
      verifyStatementSignature(record, signer.key);
      const { places, time } = this.time.of(record);
      if (time < signer.validFrom) throw unproven('its record is older than the key that signed it.');
      if (!isRecordKeyAt(signer, places[0]))
        throw unproven('the key that signed its record had been replaced by then.');
    } catch (error) {
      const isOurs = error instanceof VerifyFault && error.code === 'verify/vendor-unproven';
      if (error instanceof Fault && !isOurs) throw unproven(error.message, error);
      throw error;
    }
    const payload = JsonReader.parse(record.payload, 'record', { maxBytes: 65536 }, unproven);
    payload.get('record').oneOf('vendor-admitted');
    const isSame = record.subject === `vendor:${vendor.id}` && payload.get('uri').value === vendor.uri;
    if (!isSame) throw unproven('its record is about somebody else.');
    if (!isSubset(vendor.claims, readClaims(payload.get('claims'))))
      throw unproven('it publishes claims that were not granted.');
  }
}

function isSubset(published: Claims, granted: Claims): boolean {
  return (
    published.applicationIdPrefixes.every((prefix) => granted.applicationIdPrefixes.includes(prefix)) &&
    published.ociNamespaces.every((namespace) => granted.ociNamespaces.includes(namespace))
  );
}
