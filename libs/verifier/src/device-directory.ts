import { encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { judgeAnchor } from '@margo-trust/policy';
import { STRENGTH, verifyPath, X509Fault } from '@margo-trust/x509';
import { VerifyFault } from './fault.ts';
import type { ProvenAnchors, RegisteredAnchors } from './registered-anchors.ts';
import type { PublishedVendor, TrustRoot } from './trust-root.ts';
import type { VendorDirectory } from './vendor-directory.ts';

/** Who made a device. */
export interface DeviceFinding {
  readonly vendorId: string;
  readonly vendorName: string;
  /** RFC 4514 text. */
  readonly subject: string;
  readonly certificateFingerprint: string;
  /** SHA-256 of the manufacturer's CA, hex. */
  readonly anchorFingerprint: string;
}

/** The directory of device manufacturers' CAs, each with its registration proven before it counts. */
export class DeviceDirectory {
  private readonly trust: TrustRoot;
  private readonly vendors: VendorDirectory;
  private readonly anchors: RegisteredAnchors;

  constructor(trust: TrustRoot, vendors: VendorDirectory, anchors: RegisteredAnchors) {
    this.trust = trust;
    this.vendors = vendors;
    this.anchors = anchors;
  }

  verify([leaf, ...intermediates]: readonly [Uint8Array, ...Uint8Array[]], at: Date): DeviceFinding {
    const { anchors, doubt } = this.proven();
    let path: ReturnType<typeof verifyPath>['path'];
    try {
      const strength = STRENGTH['device-idevid'];
      const certificates = anchors.map(({ certificate }) => certificate);
      ({ path } = verifyPath({ leaf, intermediates, anchors: certificates, at, strength }));
    } catch (error) {
      throw error instanceof X509Fault && doubt ? doubt : error;
    }
    const anchor = judgeAnchor(path, anchors, at);
    const [device] = path;
    if (anchor === undefined || device === undefined) throw new Error('A path ends at none of its anchors.');
    const vendor = this.vendors.load(anchor.vendorUri);
    this.refuseFallen(vendor);
    for (const { spki } of path) this.refuseRevokedKey(encodeHex(sha256(spki)));
    return {
      ...{ vendorId: vendor.id, vendorName: vendor.legalName, subject: device.subjectText },
      ...{ certificateFingerprint: device.fingerprint, anchorFingerprint: anchor.certificate.fingerprint },
    };
  }

  private proven(): ProvenAnchors {
    const judged = this.trust.deviceCas().map((published) => {
      const { vendor, missing } = this.vendors.find(published.vendorUri);
      if (vendor) return this.anchors.of(vendor, 'device-idevid', [published]);
      return { anchors: [], ...(missing && { doubt: missing }) };
    });
    const doubt = judged.find((one) => one.doubt)?.doubt;
    return { anchors: judged.flatMap(({ anchors }) => anchors), ...(doubt && { doubt }) };
  }

  private refuseFallen({ id, legalName, status }: PublishedVendor): void {
    if (status === 'suspended') {
      throw new VerifyFault(
        'verify/vendor-suspended',
        `${legalName} is suspended: no new device of it is to be enrolled.`,
      );
    }
    if (this.trust.revocations.vendors.has(id)) {
      throw new VerifyFault('verify/vendor-revoked', `${legalName} is no longer trusted.`);
    }
  }

  private refuseRevokedKey(key: string): void {
    const { keys, issuers } = this.trust.revocations;
    if (keys.has(key) || issuers.has(key)) {
      throw new VerifyFault('verify/key-revoked', 'A key between the device and its manufacturer is revoked.');
    }
  }
}
