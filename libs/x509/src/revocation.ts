import { crlScopeKey, isDelta, isIndirect, parseCrl, verifyCrlSuccession, refuseUnusable } from './crl.ts';
import { findExtension } from './extension.ts';
import { faultOf, X509Fault, type Revocation } from './fault.ts';
import type {
  Certificate,
  Crl,
  CrlEntry,
  DistributionPoint,
  GeneralName,
  IssuingDistributionPoint,
  Name,
} from './model.ts';
import { areEqualNames, comparable } from './name.ts';
import { OID } from './oid.ts';
import { verifySigned } from './signature.ts';

/** How CRLs are judged. */
export interface RevocationRules {
  /** With 'refuse' (the default) no usable CRL for the certificate is a Fault, else it counts as not revoked. */
  readonly missingCrl?: 'refuse' | 'accept';
  /** Given a time, CRLs must be current then: thisUpdate ≤ freshAt ≤ nextUpdate. Stale ones still revoke. */
  readonly freshAt?: Date;
  /**
   * CRLs that speak for certificates of other issuers (RFC 5280 §5.2.5). 'refuse' (the default) passes them over, and
   * says `x509/crl-indirect` when nothing else covers the certificate.
   */
  readonly indirectCrls?: 'refuse' | 'accept';
}

export interface RevocationRequest extends RevocationRules {
  readonly certificate: Certificate;
  /** The CA's certificates, already verified: usually one, more while it changes its key. One must have signed the CRL. */
  readonly issuers: readonly Certificate[];
  /** From anywhere; those of other issuers and other scopes are passed over. */
  readonly crls: readonly (Uint8Array | Crl)[];
}

/**
 * What the CRLs say about the certificate; undefined when it is on none of them (RFC 5280 §6.3.3; a delta CRL can revoke,
 * but neither covers a certificate nor takes it off a list).
 *
 * A CRL counts only for what its issuing distribution point says it covers, so a shard can't stand in for another.
 * `x509/no-crl` or the reason why a CRL was not usable when the CRLs together do not cover the certificate. When
 * something was revoked does not matter here: judging times is the caller's part.
 */
export function findRevocation(request: RevocationRequest): Revocation | undefined {
  const { certificate, issuers, crls, ...rules } = request;
  const parsed = crls.map((crl) => (crl instanceof Uint8Array ? parseCrl(crl) : crl));
  const verifySigner = (crl: Crl) => {
    verifyAnySigner(crl, issuers, (signer) => verifySigned(crl, signer.publicKey));
  };
  return judgeRevocation(certificate, parsed, verifySigner, rules);
}

/** `verifySigner` throws unless somebody who may has signed the CRL; it is asked for CRLs in scope only. */
export function judgeRevocation(
  certificate: Certificate,
  crls: readonly Crl[],
  verifySigner: (crl: Crl) => void,
  rules: RevocationRules,
): Revocation | undefined {
  let problem: X509Fault | undefined;
  const usable: { crl: Crl; reasons: ReadonlySet<number> }[] = [];
  for (const crl of crls) {
    const reasons = coveredReasons(crl, certificate);
    if (reasons.size === 0) continue;
    const fault = faultOf(() => {
      if (isIndirect(crl) && rules.indirectCrls !== 'accept') {
        throw new X509Fault('x509/crl-indirect', 'Indirect CRLs are not used.');
      }
      verifySigner(crl);
    });
    if (fault) problem ??= fault;
    else usable.push({ crl, reasons });
  }

  const covered = new Set<number>();
  const sound = withoutContradictions(usable.map(({ crl }) => crl));
  for (const { crl, reasons } of usable) {
    const entry = findEntry(crl, certificate);
    if (entry && entry.reason !== 'removeFromCRL' && !isReleased(entry, crl, certificate, sound)) {
      return { serialHex: certificate.serialHex, fingerprint: certificate.fingerprint, ...entry };
    }
    const unfit = faultOf(() => verifyCovers(crl, sound, rules.freshAt));
    if (unfit) problem ??= unfit;
    else for (const reason of reasons) covered.add(reason);
  }
  const isCovered = ALL_REASONS.every((reason) => covered.has(reason));
  if (isCovered || rules.missingCrl === 'accept' || needsNoCrl(certificate)) return undefined;
  throw problem ?? new X509Fault('x509/no-crl', 'No CRL covers the certificate.');
}

/** Returns when one of the candidates may sign the CRL and, by `verifyWith`, did; else throws what was wrong with the first. */
export function verifyAnySigner(
  crl: Crl,
  candidates: Iterable<Certificate>,
  verifyWith: (signer: Certificate) => void,
): void {
  let first: X509Fault | undefined;
  for (const signer of candidates) {
    const fault = faultOf(() => {
      refuseUnusable(crl, signer);
      verifyWith(signer);
    });
    if (!fault) return;
    first ??= fault;
  }
  throw first ?? new X509Fault('x509/no-crl', 'There is no issuer whose CRL could cover the certificate.');
}

/** Throws unless the absence of an entry from the CRL means something. */
function verifyCovers(crl: Crl, sound: ReadonlySet<Crl>, freshAt: Date | undefined): void {
  if (isDelta(crl)) throw new X509Fault('x509/crl-delta', 'A delta CRL does not cover a certificate by itself.');
  if (!sound.has(crl)) {
    throw new X509Fault('x509/crl-not-usable', 'The numbers and times of CRLs contradict each other.');
  }
  if (freshAt && !isFresh(crl, freshAt)) {
    throw new X509Fault('x509/crl-stale', 'The CRL is not current at the time in question.');
  }
}

/** Those whose numbers and times are in the same order as those of all others of their scope (RFC 5280 §5.2.3). */
function withoutContradictions(crls: readonly Crl[]): ReadonlySet<Crl> {
  const sound = new Set(crls);
  const newest = new Map<string, Crl>();
  const numbered = crls.filter(({ number }) => number !== undefined);
  for (const crl of numbered.sort((a, b) => ((a.number ?? 0n) < (b.number ?? 0n) ? -1 : 1))) {
    const key = crlScopeKey(crl);
    const previous = newest.get(key);
    newest.set(key, crl);
    if (!previous || !faultOf(() => verifyCrlSuccession(previous, crl))) continue;
    sound.delete(previous);
    sound.delete(crl);
  }
  return sound;
}

/** A hold ends with a later CRL of the same scope that no longer lists it (RFC 5280 §5.3.1); nothing else ever ends. */
function isReleased(entry: CrlEntry, crl: Crl, certificate: Certificate, sound: ReadonlySet<Crl>): boolean {
  if (entry.reason !== 'certificateHold' || crl.number === undefined) return false;
  const { number } = crl;
  return [...sound].some(
    (later) =>
      later.number !== undefined &&
      later.number > number &&
      crlScopeKey(later) === crlScopeKey(crl) &&
      !findEntry(later, certificate),
  );
}

function findEntry(crl: Crl, { issuer, serialHex }: Certificate): CrlEntry | undefined {
  const own = areEqualNames(crl.issuer, issuer) ? crl.entries.get(serialHex) : undefined;
  if (own) return own;
  for (const other of crl.entriesOfOthers) {
    const entry = areEqualNames(other.issuer, issuer) ? other.entries.get(serialHex) : undefined;
    if (entry) return entry;
  }
  return undefined;
}

/** The reasons for revocation (bits of ReasonFlags) for which the CRL speaks about the certificate; none if out of scope. */
function coveredReasons(crl: Crl, certificate: Certificate): ReadonlySet<number> {
  const idp = crl.issuingDistributionPoint;
  const isOwn = areEqualNames(crl.issuer, certificate.issuer);
  const points = certificate.distributionPoints.filter(({ crlIssuers }) =>
    // RFC 5280 §6.3.3 b 1: a point that names a CRL issuer means an indirect CRL of that issuer.
    crlIssuers.length === 0 ? isOwn : idp?.isIndirect && crlIssuers.some((name) => areEqualNames(name, crl.issuer)),
  );
  if (!isOwn && points.length === 0) return NO_REASONS;
  if (!idp) return EVERY_REASON;
  if (idp.onlyAttributeCerts || (certificate.isCa ? idp.onlyUserCerts : idp.onlyCaCerts)) return NO_REASONS;
  const ofCrl = ALL_REASONS.filter((reason) => idp.onlySomeReasons?.has(reason) ?? true);
  const isNamed = idp.names.length > 0 || idp.relativeName !== undefined;
  if (!isNamed && isOwn) return new Set(ofCrl);

  const wanted = isNamed ? nameKeys(idp, crl.issuer) : undefined;
  const candidates = certificate.distributionPoints.length > 0 ? points : [IMPLIED_POINT];
  const matching = candidates.filter(
    (point) => !wanted || nameKeys(point, crl.issuer).some((key) => wanted.includes(key)),
  );
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
const EVERY_REASON: ReadonlySet<number> = new Set(ALL_REASONS);
const NO_REASONS: ReadonlySet<number> = new Set();

/** RFC 9608: whoever issued it promised to publish nothing about it. Not a way out for CAs. */
function needsNoCrl({ isCa, extensions }: Certificate): boolean {
  return !isCa && findExtension(extensions, OID.noRevAvail) !== undefined;
}

function isFresh({ thisUpdate, nextUpdate }: Crl, at: Date): boolean {
  return thisUpdate <= at && nextUpdate !== undefined && at <= nextUpdate;
}
