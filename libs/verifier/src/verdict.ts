import type { StaleRole } from '@margo-trust/tuf';
import type { Assurance } from '@margo-trust/x509';
import type { Witnessed } from './witnesses.ts';

/** The steps of a verdict, in the order in which they refuse. */
export type CheckName =
  | 'trust root'
  | 'envelope'
  | 'algorithm'
  | 'signature'
  | 'log receipt'
  | 'witnesses'
  | 'certificate'
  | 'vendor'
  | 'claims'
  | 'revocation'
  | 'release';

export interface Check {
  readonly name: CheckName;
  readonly passed: boolean;
  /** One sentence for people. */
  readonly detail: string;
}

/** How old the knowledge is that the verdict rests on. Reported beside the verdict, never mixed into it. */
export interface Freshness {
  /** The revocation list was cut then, at that log size. */
  readonly asOf: Date;
  readonly logSize: number;
  /** TUF roles past their expiry. */
  readonly stale: readonly StaleRole[];
}

/** Who signed what, when, and where it is logged. */
export interface Finding {
  readonly subject: string;
  readonly vendorId: string;
  readonly vendorName: string;
  /** Trusted time: the earliest of log receipts and pinned time-stamps. */
  readonly time: Date;
  readonly log: { readonly origin: string; readonly index: bigint; readonly size: bigint };
  /** Absent where neither the trust root nor the caller asks. */
  readonly witnessed?: Witnessed;
  readonly certificateFingerprint: string;
  /** What the registry knows of the key, or that a build got the certificate, for a day; absent below a vendor's own CA. */
  readonly assurance?: Assurance;
  /** SHA-256 of the vendor's own anchor that the certificate counts by, hex; absent where the registry issued it. */
  readonly anchorFingerprint?: string;
  /** The build, with assurance `ci`: its OpenID issuer, and what that calls it. */
  readonly workload?: { readonly issuer: string; readonly subject: string };
}

export type Verdict =
  | {
      readonly trusted: true;
      readonly finding: Finding;
      readonly checks: readonly Check[];
      readonly freshness: Freshness;
      readonly release?: {
        readonly applicationId: string;
        readonly version: string;
        readonly digests: readonly string[];
      };
    }
  | {
      readonly trusted: false;
      /** Stable: a code of this library, or of the one that refused below it. */
      readonly code: string;
      readonly reason: string;
      /** What whoever stands before the device can do. */
      readonly advice: string;
      readonly checks: readonly Check[];
      readonly freshness?: Freshness;
    };

/** What to do about a refusal, in the words of a fitter. */
export function adviceFor(code: string): string {
  return (
    ADVICE[code] ?? 'Fetch the package again from its vendor; if that does not help, send this report to the vendor.'
  );
}

const ADVICE: Readonly<Record<string, string>> = {
  'tuf/missing-target':
    'This machine holds nothing about the vendor: margo-trust root update --vendor <vendor> fetches it. Or use an evidence bundle.',
  'verify/bad-trust-root': 'Refresh the trust root: margo-trust root update.',
  'verify/bad-bundle': 'The file is damaged or is no evidence bundle. Copy it again.',
  'verify/not-logged':
    'Ask the vendor for a bundle with log receipts, or refresh the trust root if it is older than the log key.',
  'verify/not-witnessed':
    'Fetch the proof that witnesses saw it, or a bundle made now: margo-trust bundle create. If that does not help, do not install.',
  'verify/forked':
    'Do not install. Keep this evidence and show it to an auditor: the log shows different things to different people.',
  'verify/unknown-vendor':
    'Refresh the trust root: the vendor may have been approved since. If it still is unknown, do not install.',
  'verify/vendor-unproven':
    'Do not install. The approval of this vendor cannot be proven: tell the operator of the registry.',
  'verify/anchor-unproven':
    'Do not install. That the vendor’s own CA was registered cannot be proven: tell the operator of the registry.',
  'anchor/outside-window':
    'Do not install. Ask the vendor for a release signed while its CA is registered, or refresh the trust root.',
  'anchor/subject-mismatch':
    'Do not install. The vendor’s CA has vouched for somebody it may not vouch for: tell the vendor.',
  'verify/vendor-suspended': 'Do not install or update. What runs already may go on. Ask the vendor.',
  'verify/certificate-revoked': 'Do not install. Ask the vendor for a release signed with its new certificate.',
  'verify/issuer-revoked': 'Do not install. Ask the vendor for a release signed under the new CA.',
  'verify/key-revoked': 'Do not install. Ask the vendor for a release signed with its new certificate.',
  'verify/vendor-revoked': 'Do not install anything of this vendor.',
  'verify/digest-revoked': 'Do not install. The vendor has withdrawn this artifact: ask for its replacement.',
  'verify/target-mismatch':
    'This is not the artifact that was signed. Fetch it again; if it stays different, do not install.',
  'verify/unsigned': 'The artifact carries no signature. Ask the vendor, or fetch it with its signatures (oras cp -r).',
  'verify/not-in-release': 'This artifact is not part of the signed release. Do not install.',
  'verify/manifest-mismatch': 'The file was changed on its way. Fetch it again.',
  'x509/expired': 'The certificate was not valid when the signature was logged. Ask the vendor.',
};
