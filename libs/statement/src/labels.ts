/**
 * COSE header labels of the profile: RFC 9052 §3.1, RFC 9597 (15), RFC 9360 (33, 34), RFC 9942 (394), and the text
 * labels of the Notary Project signature specification. Own labels would be integers: with a verification plug-in
 * `notation` treats every text label as critical.
 */
export const LABEL = {
  algorithm: 1,
  critical: 2,
  contentType: 3,
  kid: 4,
  cwtClaims: 15,
  x5chain: 33,
  x5t: 34,
  receipts: 394,
  signingScheme: 'io.cncf.notary.signingScheme',
  signingTime: 'io.cncf.notary.signingTime',
  expiry: 'io.cncf.notary.expiry',
  timestampToken: 'io.cncf.notary.timestampSignature',
  signingAgent: 'io.cncf.notary.signingAgent',
} as const;

/** Keys inside the CWT claims map (RFC 8392 §4). */
export const CLAIM = { issuer: 1, subject: 2, issuedAt: 6 } as const;

/** The only signing scheme of this profile: the signer's own certificate, time by RFC 3161 or by the log. */
export const SIGNING_SCHEME = 'notary.x509';

/** Critical labels that a verifier of this profile declares understood. */
export const UNDERSTOOD = [LABEL.signingScheme, LABEL.expiry];

/** What a statement says: its content type (COSE label 3). */
export const CONTENT = {
  artifact: 'application/vnd.cncf.notary.payload.v1+json',
  release: 'application/vnd.margo.trust.release.v1+json',
  record: 'application/vnd.margo.trust.record.v1+json',
  policy: 'application/vnd.margo.trust.policy.v1+json',
  anchors: 'application/vnd.margo.trust.anchors.v1+json',
} as const;

/** `COSE_CertHash` algorithm for SHA-256 (RFC 9360 §2, IANA COSE Algorithms). */
export const SHA_256 = -16;
