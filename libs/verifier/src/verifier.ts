import { areEqualBytes, concatBytes, encodeHex } from '@margo-trust/bytes';
import { algorithmOf as coseAlgorithmOf } from '@margo-trust/cose';
import { sha256, type SignatureAlgorithm } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { verifyReceipt } from '@margo-trust/receipt';
import {
  CONTENT,
  factsOfRelease,
  isClaimedApplication,
  isClaimedReference,
  parseArtifactSignature,
  parseRelease,
  parseStatement,
  readFacts,
  verifyStatementSignature,
  type Claims,
  type Release,
  type Statement,
  type StatementFacts,
  type TargetArtifact,
} from '@margo-trust/statement';
import { verifyTimestampToken } from '@margo-trust/timestamp';
import { parseCertificate, verifyPath, type Certificate } from '@margo-trust/x509';
import { VerifyFault, type VerifyFaultCode } from './fault.ts';
import { JsonReader } from './json.ts';
import { readClaims, type Anchor, type PublishedVendor, type Revocation, type TrustRoot } from './trust-root.ts';
import { adviceFor, type Check, type CheckName, type Finding, type Freshness, type Verdict } from './verdict.ts';

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
const ALGORITHMS: readonly SignatureAlgorithm[] = ['ES256', 'ES384', 'PS256', 'PS384'];

/** The artifact that the caller really holds. */
export interface HeldArtifact extends Pick<TargetArtifact, 'digest' | 'mediaType' | 'size'> {
  /**
   * For an Application Package: the id in the description inside. An artifact signature names a digest alone, so this is
   * how the vendor's claim to the application is held against it. Leave it out only for other artifacts, or where a release
   * covers the package.
   */
  readonly applicationId?: string;
}

/** Half open: `from` belongs to it, `until` does not. */
interface Window {
  readonly from: Date;
  readonly until: Date;
}

interface LogPlace {
  readonly origin: string;
  readonly index: bigint;
  readonly size: bigint;
}

/**
 * Decides on statements under one trust root. Reads its arguments and nothing else: no network, disk, clock or
 * randomness. It remembers verified chains and vendor records, so keep one for many verdicts.
 *
 * The order of the checks is part of the contract: each leans on those before it, and the first refusal is the answer.
 */
export class Verifier {
  private readonly trust: TrustRoot;
  /** By chain: for which times its path to an anchor stands. */
  private readonly paths = new Map<string, Window>();
  private readonly leaves = new Map<string, Certificate>();
  private readonly timestampAnchors: readonly { anchor: Anchor; verifiedPaths: Map<string, readonly Certificate[]> }[];
  private readonly vendors = new Map<string, PublishedVendor>();

  constructor(trust: TrustRoot) {
    this.trust = trust;
    this.timestampAnchors = trust.timestampAnchors.map((anchor) => ({ anchor, verifiedPaths: new Map() }));
  }

  get freshness(): Freshness {
    const { revocations, stale } = this.trust;
    return { asOf: revocations.asOf, logSize: revocations.logSize, stale };
  }

  /**
   * Judges the signatures of one artifact: one good signature among bad ones is enough, and the first refusal is
   * reported when none is good.
   */
  verifyArtifact(target: HeldArtifact, signatures: readonly Uint8Array[]): Verdict {
    let refusal: Verdict | undefined;
    for (const signature of signatures.slice(0, 100)) {
      const verdict = this.judge((checks) => this.judgeArtifact(signature, target, checks));
      if (verdict.trusted) return verdict;
      refusal ??= verdict;
    }
    return refusal ?? this.refuse([], new VerifyFault('verify/unsigned', 'The artifact carries no Margo Signature.'));
  }

  /**
   * Judges a release statement. `applicationId` is what the package at hand calls itself: a release of another application
   * says nothing about it.
   */
  verifyRelease(statement: Uint8Array, held: { applicationId?: string } = {}): Verdict {
    return this.judge((checks) => {
      const judged = this.judgeRelease(statement, checks);
      if (held.applicationId !== undefined && held.applicationId !== judged.release.applicationId) {
        throw new VerifyFault(
          'verify/application-mismatch',
          `The release is of ${judged.release.applicationId}; the package calls itself ${held.applicationId}.`,
        );
      }
      return judged;
    });
  }

  /** Runs `decide`, turning its Fault into the refusal it is. A bug of ours must not look like a verdict. */
  judge(decide: (checks: Check[]) => { finding: Finding; release?: Release }): Verdict {
    const checks: Check[] = [];
    try {
      const { finding, release } = decide(checks);
      return {
        trusted: true,
        finding,
        checks,
        freshness: this.freshness,
        ...(release && {
          release: {
            applicationId: release.applicationId,
            version: release.version,
            digests: factsOfRelease(release).digests,
          },
        }),
      };
    } catch (error) {
      if (error instanceof Fault) return this.refuse(checks, error);
      throw error;
    }
  }

  judgeArtifact(bytes: Uint8Array, target: HeldArtifact, checks: Check[]): { finding: Finding } {
    const { statement, signature } = step(checks, 'envelope', () => {
      const statement = parseStatement(bytes);
      const signature = parseArtifactSignature(statement);
      refuseOtherTarget(signature.target, target);
      return { statement, signature, detail: `A Margo Signature over ${signature.target.digest}.` };
    });
    const { applicationId } = target;
    const facts = { ...readFacts(statement), ...(applicationId !== undefined && { applicationId }) };
    const finding = this.judgeStatement(statement, facts, checks);
    if (signature.expiry && finding.time >= signature.expiry) {
      throw new VerifyFault(
        'verify/signature-expired',
        'The signer limited this signature to a time that had passed when it was logged.',
      );
    }
    return { finding };
  }

  judgeRelease(bytes: Uint8Array, checks: Check[]): { finding: Finding; release: Release } {
    const { statement, release } = step(checks, 'envelope', () => {
      const statement = parseStatement(bytes);
      if (statement.contentType !== CONTENT.release) {
        throw new VerifyFault('verify/wrong-content', `A release was expected, not "${statement.contentType}".`);
      }
      const release = parseRelease(statement.payload);
      return { statement, release, detail: `Release ${release.version} of ${release.applicationId}.` };
    });
    return { finding: this.judgeStatement(statement, factsOfRelease(release), checks), release };
  }

  private judgeStatement(statement: Statement, facts: StatementFacts, checks: Check[]): Finding {
    step(checks, 'algorithm', () => {
      return { detail: `${admittedAlgorithm(statement)}.` };
    });
    // First of all: no receipt holds over a damaged statement, and "damaged" is the better answer than "not logged".
    const { leaf } = step(checks, 'signature', () => {
      const leaf = this.presentedLeaf(statement);
      verifyStatementSignature(statement, leaf.publicKey);
      return { leaf, detail: 'Made with the key of the certificate that travels with it.' };
    });
    const { place, time } = step(checks, 'log receipt', () => {
      const { place, time } = this.trustedTime(statement);
      return { place, time, detail: `Entry ${place.index} of ${place.origin}, known by ${text(time)}.` };
    });
    step(checks, 'certificate', () => {
      this.verifyChain(leaf, statement, time);
      return { detail: `${leaf.subjectText}, valid then.` };
    });
    const { vendor } = step(checks, 'vendor', () => {
      const vendor = this.loadVendor(statement.issuer, leaf);
      if (vendor.status === 'suspended') {
        throw new VerifyFault(
          'verify/vendor-suspended',
          `${vendor.legalName} is suspended: nothing of it may be installed now.`,
        );
      }
      return { vendor, detail: `${vendor.legalName}, approved by ${this.trust.registry}.` };
    });
    step(checks, 'claims', () => {
      refuseUnclaimed(vendor.claims, facts);
      return { detail: facts.applicationId ? `${facts.applicationId} is the vendor's.` : 'Within what was granted.' };
    });
    step(checks, 'revocation', () => {
      this.refuseRevoked(vendor, leaf, facts.digests, time);
      return { detail: `Not revoked as of ${text(this.trust.revocations.asOf)}.` };
    });
    return {
      subject: statement.subject,
      vendorId: vendor.id,
      vendorName: vendor.legalName,
      time,
      log: place,
      certificateFingerprint: leaf.fingerprint,
    };
  }

  /**
   * The earliest time at which somebody we trust saw the signature: a log of the trust root (RFC 9942 receipt), or a
   * time-stamping authority pinned there (RFC 3161). The log is not optional: a signature nobody can find does not count.
   */
  private trustedTime(statement: Statement): { place: LogPlace; time: Date } {
    const keys = this.trust.logs.flatMap((log) => log.receiptKeys);
    let failure: Fault | undefined;
    for (const receipt of statement.receipts) {
      try {
        const { origin, index, size, issuedAt } = verifyReceipt(receipt, statement, keys);
        if (!issuedAt) throw new VerifyFault('verify/not-logged', 'The receipt does not say when it was made.');
        return { place: { origin, index, size }, time: this.earlier(issuedAt, statement) };
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        failure ??= error;
      }
    }
    throw new VerifyFault(
      'verify/not-logged',
      failure ? `No log receipt holds: ${failure.message}` : 'No log receipt travels with it.',
      {
        ...(failure && { cause: failure }),
      },
    );
  }

  /** A time-stamp that does not hold proves nothing and harms nothing: the log's time stands. */
  private earlier(logTime: Date, { timestampToken, cose }: Statement): Date {
    if (!timestampToken) return logTime;
    for (const { anchor, verifiedPaths } of this.timestampAnchors) {
      try {
        const trust = { anchors: [anchor.certificate], verifiedPaths };
        const { genTime } = verifyTimestampToken(timestampToken, cose.signature, trust);
        if (isWithinWindow(anchor, genTime)) return genTime < logTime ? genTime : logTime;
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
      }
    }
    return logTime;
  }

  private verifyChain(leaf: Certificate, { chain, issuer }: Statement, at: Date): void {
    const key = encodeHex(sha256(concatBytes(...chain.map((der) => sha256(der)))));
    const known = this.paths.get(key);
    if (!known || at < known.from || at >= known.until) {
      remember(this.paths, key, this.buildPath(leaf, chain.slice(1), at));
    }
    if (leaf.uriSans.length !== 1 || leaf.sans.length !== 1 || leaf.uriSans[0] !== issuer) {
      throw new VerifyFault(
        'verify/issuer-mismatch',
        'The certificate does not name the issuer of the statement, and only it.',
      );
    }
  }

  /** Builds a path at that time, and says for which times the same path stands. */
  private buildPath(leaf: Certificate, intermediates: readonly Uint8Array[], at: Date): Window {
    const anchors = this.trust.anchors.filter((anchor) => isWithinWindow(anchor, at));
    const { path } = verifyPath({
      leaf,
      intermediates: [...intermediates, ...this.trust.intermediates],
      anchors: anchors.map(({ certificate }) => certificate),
      at,
      eku: CODE_SIGNING,
    });
    const used = anchors.find(({ certificate }) => areEqualBytes(certificate, path.at(-1)?.der ?? certificate));
    const starts = [...path.map(({ notBefore }) => notBefore), ...(used ? [used.validFrom] : [])];
    const ends = [...path.map(({ notAfter }) => notAfter), ...(used?.validUntil ? [used.validUntil] : [])];
    return {
      from: new Date(Math.max(...starts.map(Number))),
      until: new Date(Math.min(...ends.map(Number))),
    };
  }

  /** The presented certificate, which nothing vouches for before its path is verified. */
  private presentedLeaf({ chain, x5t }: Statement): Certificate {
    const [der] = chain;
    if (!der || !x5t) {
      throw new VerifyFault('verify/no-certificate', 'No signing certificate travels with the statement.');
    }
    const key = encodeHex(x5t); // parseStatement has compared it with the certificate
    return this.leaves.get(key) ?? remember(this.leaves, key, parseCertificate(der));
  }

  /**
   * The vendor behind an issuer URI. The online role alone cannot add one: the record of its admission must be signed
   * by the registry's record key, be in the log, and grant the claims that are published.
   */
  private loadVendor(uri: string, leaf: Certificate): PublishedVendor {
    const known = this.vendors.get(uri);
    if (known) return known;
    const suffix = `.vendors.${this.trust.domain}/`;
    const id = uri.startsWith('https://') && uri.endsWith(suffix) ? uri.slice(8, -suffix.length) : '';
    const vendor = /^[0-9a-z-]{1,63}$/.test(id) ? this.trust.findVendor(id) : undefined;
    if (!vendor || vendor.uri !== uri) {
      throw new VerifyFault(
        'verify/unknown-vendor',
        `The trust root knows no vendor ${uri} (certificate of ${leaf.subjectText}).`,
      );
    }
    this.verifyAdmission(vendor);
    this.vendors.set(uri, vendor);
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
      if (this.trustedTime(record).time < signer.validFrom)
        throw unproven('its record is older than the key that signed it.');
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

  private refuseRevoked(vendor: PublishedVendor, leaf: Certificate, digests: readonly string[], time: Date): void {
    const { revocations } = this.trust;
    for (const digest of digests) {
      refuseIf(revocations.digests.get(digest), time, 'verify/digest-revoked', `${digest} was withdrawn`);
    }
    refuseIf(
      revocations.vendors.get(vendor.id),
      time,
      'verify/vendor-revoked',
      `${vendor.legalName} is no longer trusted`,
    );
    refuseIf(
      revocations.certificates.get(leaf.fingerprint),
      time,
      'verify/certificate-revoked',
      'The signing certificate is revoked',
    );
    const keyHash = encodeHex(sha256(leaf.spki));
    refuseIf(revocations.keys.get(keyHash), time, 'verify/key-revoked', 'The signing key is revoked');
  }

  private refuse(checks: readonly Check[], fault: Fault): Verdict {
    return {
      trusted: false,
      code: fault.code,
      reason: fault.message,
      advice: adviceFor(fault.code),
      checks,
      freshness: this.freshness,
    };
  }
}

/** Runs one check and notes its outcome. */
export function step<T extends { detail: string }>(checks: Check[], name: CheckName, run: () => T): T {
  try {
    const result = run();
    checks.push({ name, passed: true, detail: result.detail });
    return result;
  } catch (error) {
    if (error instanceof Fault) checks.push({ name, passed: false, detail: error.message });
    throw error;
  }
}

/** Keeps a bounded number of results: what a peer sends must not fill the memory. */
function remember<T>(kept: Map<string, T>, key: string, value: T): T {
  if (kept.size >= 1024) kept.clear();
  kept.set(key, value);
  return value;
}

function admittedAlgorithm(statement: Statement): SignatureAlgorithm {
  const algorithm = coseAlgorithmOf(statement.cose.protectedHeader);
  if (!ALGORITHMS.includes(algorithm))
    throw new VerifyFault('verify/algorithm-refused', `${algorithm} is not admitted.`);
  return algorithm;
}

function refuseOtherTarget(signed: TargetArtifact, held: HeldArtifact): void {
  if (signed.digest !== held.digest || signed.mediaType !== held.mediaType || signed.size !== held.size) {
    throw new VerifyFault(
      'verify/target-mismatch',
      `The signature is about ${signed.digest}, not about ${held.digest}.`,
    );
  }
}

function refuseUnclaimed(claims: Claims, { applicationId, claimedReferences }: StatementFacts): void {
  if (applicationId !== undefined && !isClaimedApplication(applicationId, claims)) {
    throw new VerifyFault(
      'verify/application-not-claimed',
      `The vendor was never granted the application id "${applicationId}".`,
    );
  }
  for (const reference of claimedReferences) {
    if (!isClaimedReference(reference, claims)) {
      throw new VerifyFault(
        'verify/namespace-not-claimed',
        `The vendor was never granted the namespace of "${reference}".`,
      );
    }
  }
}

function refuseIf(revocation: Revocation | undefined, time: Date, code: VerifyFaultCode, message: string): void {
  if (!revocation || (revocation.from && time < revocation.from)) return;
  const since = revocation.from ? ` for signatures since ${text(revocation.from)}` : '';
  throw new VerifyFault(code, `${message} (${revocation.reason})${since}.`);
}

function isSubset(published: Claims, granted: Claims): boolean {
  return (
    published.applicationIdPrefixes.every((prefix) => granted.applicationIdPrefixes.includes(prefix)) &&
    published.ociNamespaces.every((namespace) => granted.ociNamespaces.includes(namespace))
  );
}

function isWithinWindow({ validFrom, validUntil }: Anchor, at: Date): boolean {
  return validFrom <= at && (validUntil === undefined || at < validUntil);
}

function text(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
