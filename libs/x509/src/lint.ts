import { parseCertificate } from './certificate.ts';
import { parseCrl } from './crl.ts';
import type { Certificate } from './model.ts';
import { caConstrainsNames } from './profile/ca-constrains-names.ts';
import { caHasOnePurpose } from './profile/ca-has-one-purpose.ts';
import { caKeyIsP384 } from './profile/ca-key-is-p384.ts';
import { caKeyOnlyCertifies } from './profile/ca-key-only-certifies.ts';
import { caLimitsDepth } from './profile/ca-limits-depth.ts';
import { caPublishesFitly } from './profile/ca-publishes-fitly.ts';
import { caSubjectIsPlain } from './profile/ca-subject-is-plain.ts';
import { certificateIsVersion3 } from './profile/certificate-is-version-3.ts';
import { crlEntriesAreFinal } from './profile/crl-entries-are-final.ts';
import { crlHasNumber } from './profile/crl-has-number.ts';
import { crlIsFromIssuer } from './profile/crl-is-from-issuer.ts';
import { crlIsRenewedInTime } from './profile/crl-is-renewed-in-time.ts';
import { crlStatesScope } from './profile/crl-states-scope.ts';
import { datesLieWithinIssuer } from './profile/dates-lie-within-issuer.ts';
import { issuerCanBeFetched } from './profile/issuer-can-be-fetched.ts';
import { issuerNameIsCopied } from './profile/issuer-name-is-copied.ts';
import { keyIdentifiersLink } from './profile/key-identifiers-link.ts';
import { leafCanBeRevoked } from './profile/leaf-can-be-revoked.ts';
import { leafCommonNameIsNoHost } from './profile/leaf-common-name-is-no-host.ts';
import { leafHasNoOtherExtension } from './profile/leaf-has-no-other-extension.ts';
import { leafHasOneVendorUri } from './profile/leaf-has-one-vendor-uri.ts';
import { leafIsLogged } from './profile/leaf-is-logged.ts';
import { leafIsNoCa } from './profile/leaf-is-no-ca.ts';
import { leafKeyIsStrong } from './profile/leaf-key-is-strong.ts';
import { leafKeyOnlySigns } from './profile/leaf-key-only-signs.ts';
import { leafLivesShortEnough } from './profile/leaf-lives-short-enough.ts';
import { leafNamesRegistry } from './profile/leaf-names-registry.ts';
import { leafNamesWorkload } from './profile/leaf-names-workload.ts';
import { leafSignsCodeOnly } from './profile/leaf-signs-code-only.ts';
import { leafStatesAssurance } from './profile/leaf-states-assurance.ts';
import { leafSubjectHasFourFields } from './profile/leaf-subject-has-four-fields.ts';
import {
  applyRules,
  type CaContext,
  type CertificateRule,
  type CrlContext,
  type IssuedContext,
  type LeafContext,
} from './profile/rule.ts';
import { serialHasFixedLength } from './profile/serial-has-fixed-length.ts';
import { signatureFitsIssuerKey } from './profile/signature-fits-issuer-key.ts';
import { tsaNeedsNoNetwork } from './profile/tsa-needs-no-network.ts';
import { tsaOnlyStamps } from './profile/tsa-only-stamps.ts';

/**
 * What is wrong with a vendor's certificate, as `rule: finding (source)`; empty when it keeps the profile.
 *
 * Looks at the finished bytes, or at what {@link parseCertificate} has read from them, and not at what they were made from. To
 * lint before the CA signs, sign with a throw-away key of the same kind and give `issuer` with that key.
 */
export function lintLeaf(der: Uint8Array | Certificate, context: LeafContext): string[] {
  return applyRules(
    [
      ...ISSUED,
      leafSubjectHasFourFields,
      leafCommonNameIsNoHost,
      leafHasOneVendorUri,
      leafIsNoCa,
      leafKeyOnlySigns,
      leafSignsCodeOnly,
      leafKeyIsStrong,
      leafStatesAssurance,
      leafLivesShortEnough,
      leafCanBeRevoked,
      issuerCanBeFetched,
      leafNamesRegistry,
      leafNamesWorkload,
      leafIsLogged,
      leafHasNoOtherExtension,
    ],
    der instanceof Uint8Array ? parseCertificate(der) : der,
    context,
  );
}

/** As `lintLeaf`, for CAs. Without `issuer` the certificate must be its own. */
export function lintCa(der: Uint8Array, context: Omit<CaContext, 'issuer'> & Partial<IssuedContext>): string[] {
  const certificate = parseCertificate(der);
  return applyRules(
    [
      ...ISSUED,
      caSubjectIsPlain,
      caLimitsDepth,
      caKeyOnlyCertifies,
      caKeyIsP384,
      caHasOnePurpose,
      caConstrainsNames,
      caPublishesFitly,
    ],
    certificate,
    { issuer: certificate, ...context },
  );
}

/** As `lintLeaf`, for the certificate of a time-stamping authority. */
export function lintTsa(der: Uint8Array, context: IssuedContext): string[] {
  return applyRules(
    [...ISSUED, leafIsNoCa, leafKeyOnlySigns, tsaOnlyStamps, tsaNeedsNoNetwork],
    parseCertificate(der),
    context,
  );
}

/** As `lintLeaf`, for the CRL of a shard or of a root. */
export function lintCrl(der: Uint8Array, context: CrlContext): string[] {
  return applyRules(
    [crlIsFromIssuer, crlHasNumber, crlStatesScope, crlIsRenewedInTime, crlEntriesAreFinal],
    parseCrl(der),
    context,
  );
}

const ISSUED: readonly CertificateRule[] = [
  certificateIsVersion3,
  serialHasFixedLength,
  issuerNameIsCopied,
  datesLieWithinIssuer,
  signatureFitsIssuerKey,
  keyIdentifiersLink,
];
