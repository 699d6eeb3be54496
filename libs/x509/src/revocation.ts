import { isDelta, parseCrl, verifyCrlOrDelta } from './crl.ts';
import { findExtension } from './extension.ts';
import { X509Fault, type Revocation } from './fault.ts';
import type { Certificate, Crl, DistributionPoint, GeneralName, IssuingDistributionPoint, Name } from './model.ts';
import { areEqualNames, comparable } from './name.ts';
import { OID } from './oid.ts';

export interface RevocationRequest {
  readonly certificate: Certificate;
  /** The CA's certificates, already verified: usually one, more while it changes its key. One must have signed the CRL. */
  readonly issuers: readonly Certificate[];
  /** From anywhere; those of other issuers and other scopes are passed over. */
  readonly crls: readonly (Uint8Array | Crl)[];
  /** With 'refuse' (the default) no usable CRL for the certificate is a Fault, else it counts as not revoked. */
  readonly missingCrl?: 'refuse' | 'accept';
  /** Given a time, CRLs must be current then: thisUpdate ≤ freshAt ≤ nextUpdate. Stale ones still revoke. */
  readonly freshAt?: Date;
}

/**
 * What the CRLs say about the certificate; undefined when it is on none of them (RFC 5280 §6.3.3 without indirect
 * CRLs; a delta CRL can revoke, but neither covers a certificate nor takes it off a list).
 *
 * A CRL counts only for what its issuing distribution point says it covers, so a shard can't stand in for another.
 * `x509/no-crl` or the reason why a CRL was not usable when the CRLs together do not cover the certificate. When
 * something was revoked does not matter here: judging times is the caller's part.
 */
export function findRevocation(request: RevocationRequest): Revocation | undefined {
  const { certificate, issuers, freshAt } = request;
  const covered = new Set<number>();
  let problem: X509Fault | undefined;
  for (const input of request.crls) {
    const crl = input instanceof Uint8Array ? parseCrl(input) : input;
    if (!areEqualNames(crl.issuer, certificate.issuer)) continue;
    const reasons = coveredReasons(crl, certificate);
    if (reasons.size === 0) continue;
    const fault = signerFault(crl, issuers);
    if (fault) {
      problem ??= fault;
      continue;
    }
    const entry = crl.entries.get(certificate.serialHex);
    if (entry && entry.reason !== 'removeFromCRL') {
      return { serialHex: certificate.serialHex, fingerprint: certificate.fingerprint, ...entry };
    }
    if (isDelta(crl)) continue;
    if (freshAt && !isFresh(crl, freshAt)) {
      problem ??= new X509Fault('x509/crl-stale', 'The CRL is not current at the time in question.');
      continue;
    }
    for (const reason of reasons) covered.add(reason);
  }
  const isCovered = ALL_REASONS.every((reason) => covered.has(reason));
  if (isCovered || request.missingCrl === 'accept' || needsNoCrl(certificate)) return undefined;
  throw problem ?? new X509Fault('x509/no-crl', 'No CRL covers the certificate.');
}

function signerFault(crl: Crl, issuers: readonly Certificate[]): X509Fault | undefined {
  let fault: X509Fault | undefined;
  for (const issuer of issuers) {
    try {
      verifyCrlOrDelta(crl, issuer);
      return undefined;
    } catch (error) {
      if (!(error instanceof X509Fault)) throw error;
      fault ??= error;
    }
  }
  return fault ?? new X509Fault('x509/no-crl', 'There is no issuer whose CRL could cover the certificate.');
}

/** The reasons for revocation (bits of ReasonFlags) for which the CRL speaks about the certificate; none if out of scope. */
function coveredReasons(crl: Crl, certificate: Certificate): ReadonlySet<number> {
  const idp = crl.issuingDistributionPoint;
  if (!idp) return new Set(ALL_REASONS);
  if (idp.onlyAttributeCerts || (certificate.isCa ? idp.onlyUserCerts : idp.onlyCaCerts)) return new Set();
  const ofCrl = ALL_REASONS.filter((reason) => idp.onlySomeReasons?.has(reason) ?? true);
  if (idp.names.length === 0 && !idp.relativeName) return new Set(ofCrl);

  const wanted = nameKeys(idp, crl.issuer);
  const points = certificate.distributionPoints.length > 0 ? certificate.distributionPoints : [IMPLIED_POINT];
  const matching = points.filter((point) => nameKeys(point, crl.issuer).some((key) => wanted.includes(key)));
  return new Set(ofCrl.filter((reason) => matching.some((point) => point.reasons?.has(reason) ?? true)));
}

/** What a distribution point may be called, as texts to compare. */
function nameKeys(point: DistributionPoint | IssuingDistributionPoint, crlIssuer: Name): string[] {
  if (point.relativeName) return [comparable([...crlIssuer.rdns, point.relativeName])];
  if (point.names.length > 0) return point.names.map(nameKey);
  // Without a name the point goes by its CRL issuer's: RFC 5280 §6.3.3 (b)(2)(i).
  const issuers = 'crlIssuers' in point && point.crlIssuers.length > 0 ? point.crlIssuers : [crlIssuer];
  return issuers.map(({ rdns }) => comparable(rdns));
}

function nameKey(name: GeneralName): string {
  switch (name.type) {
    case 'directory':
      return comparable(name.name.rdns);
    case 'ip':
      return `ip:${name.address.join('.')}`;
    case 'other':
      return `${name.tag}:${name.content.join('.')}`;
    default:
      return `${name.type}:${name.value}`;
  }
}

/** RFC 5280 §6.3.3: a certificate without distribution points has one, named like its issuer. */
const IMPLIED_POINT: DistributionPoint = { names: [], crlIssuers: [] };

/** keyCompromise to aACompromise; bit 0 is unused (RFC 5280 §4.2.1.13). */
const ALL_REASONS = [1, 2, 3, 4, 5, 6, 7, 8] as const;

/** RFC 9608: whoever issued it promised to publish nothing about it. Not a way out for CAs. */
function needsNoCrl({ isCa, extensions }: Certificate): boolean {
  return !isCa && findExtension(extensions, OID.noRevAvail) !== undefined;
}

function isFresh({ thisUpdate, nextUpdate }: Crl, at: Date): boolean {
  return thisUpdate <= at && nextUpdate !== undefined && at <= nextUpdate;
}
