import { encodeHex, parseHex } from '@margo-trust/bytes';
import { algorithmOf as coseAlgorithmOf } from '@margo-trust/cose';
import { sha256, type SignatureAlgorithm } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { claimsUnder, type RegisteredAnchor } from '@margo-trust/policy';
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
import { readAssurance, readWorkload, type AnchorPurpose, type Certificate } from '@margo-trust/x509';
import { DeviceDirectory, type DeviceFinding } from './device-directory.ts';
import { VerifyFault, type VerifyFaultCode } from './fault.ts';
import { RegisteredAnchors, type ProvenAnchors } from './registered-anchors.ts';
import { SigningPaths } from './signing-paths.ts';
import type { PublishedVendor, Revocation, TrustRoot } from './trust-root.ts';
import { TrustedTime, type LogPlace } from './trusted-time.ts';
import { VendorDirectory } from './vendor-directory.ts';
import { Witnesses, type Witnessed, type WitnessOptions } from './witnesses.ts';
import { adviceFor, type Check, type CheckName, type Finding, type Freshness, type Verdict } from './verdict.ts';

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

/**
 * Decides on statements under one trust root. Reads its arguments and nothing else: no network, disk, clock or
 * randomness. It remembers verified chains and vendor records, so keep one for many verdicts.
 *
 * The order of the checks is part of the contract: each leans on those before it, and the first refusal is the answer.
 */
export class Verifier {
  private readonly trust: TrustRoot;
  private readonly time: TrustedTime;
  private readonly paths: SigningPaths;
  private readonly vendors: VendorDirectory;
  private readonly anchors: RegisteredAnchors;
  private readonly witnesses: Witnesses;
  private readonly devices: DeviceDirectory;

  constructor(trust: TrustRoot, options: WitnessOptions = {}) {
    this.trust = trust;
    this.time = new TrustedTime(trust);
    this.paths = new SigningPaths(trust);
    this.vendors = new VendorDirectory(trust, this.time);
    this.anchors = new RegisteredAnchors(trust, this.time);
    this.witnesses = new Witnesses(trust, options);
    this.devices = new DeviceDirectory(trust, this.vendors, this.anchors);
  }

  /** Whether proofs that witnesses saw an entry would say anything to a verdict. */
  get asksWitnesses(): boolean {
    return this.witnesses.areAsked;
  }

  /**
   * Adds evidence that witnesses have seen an entry: a C2SP tlog-proof, whose checkpoint they cosigned. Not before a statement of
   * that entry is judged it is looked at, and what proves nothing is passed over.
   */
  addProof(proof: Uint8Array): void {
    this.witnesses.add(proof);
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

  /**
   * The OpenPGP keys that a vendor has registered, by fingerprint, to hold a signature over `digest` against. Nothing here judges such
   * signatures, and nothing becomes trusted by one; but who would be refused anyway is refused here, by a Fault with the code of the
   * verdict: a vendor unknown, unproven, suspended or revoked, and a digest that was withdrawn.
   */
  openpgpKeys(vendorId: string, digest: string): { vendor: PublishedVendor; keys: ReadonlyMap<string, Uint8Array> } {
    const { domain, revocations } = this.trust;
    const vendor = this.vendors.load(`https://${vendorId}.vendors.${domain}/`);
    refuseSuspended(vendor);
    // There is no trusted time that a date could be compared with.
    const atAnyTime = (revocation: Revocation | undefined) => revocation && { reason: revocation.reason };
    const withdrawn = (revocations.digests.get(digest) ?? []).find(({ vendorId: of = vendor.id }) => of === vendor.id);
    refuseIf(atAnyTime(withdrawn), new Date(0), 'verify/digest-revoked', `${digest} was withdrawn`);
    const revoked = atAnyTime(revocations.vendors.get(vendor.id));
    refuseIf(revoked, new Date(0), 'verify/vendor-revoked', `${vendor.legalName} is no longer trusted`);
    return { vendor, keys: this.vendors.openpgpKeys(vendor) };
  }

  /**
   * The manufacturer whose registered CA a device's birth certificate leads to (IEEE 802.1AR IDevID); throws a Fault when there is
   * none. `chain` is DER, leaf first; whatever lies between it and the CA goes along. `at` is now: unlike a signature, a device
   * is there when it is judged.
   *
   * What it does not prove: that whoever shows the certificate has its key.
   */
  verifyDevice(chain: readonly [Uint8Array, ...Uint8Array[]], at: Date): DeviceFinding {
    return this.devices.verify(chain, at);
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
      const leaf = this.paths.presentedLeaf(statement);
      verifyStatementSignature(statement, leaf.publicKey);
      return { leaf, detail: 'Made with the key of the certificate that travels with it.' };
    });
    const { places, time } = step(checks, 'log receipt', () => {
      const { places, time } = this.time.of(statement, this.anchorsOf(statement.issuer, 'timestamping').anchors);
      const [{ index, origin }] = places;
      return { places, time, detail: `Entry ${index} of ${origin}, known by ${text(time)}.` };
    });
    const witnessed = this.judgeWitnesses(statement, places, checks);
    const { issuerKeys, anchor, holder } = step(checks, 'certificate', () => {
      const own = this.anchorsOf(statement.issuer, 'artifact-signing');
      const { issuerKeys, anchor } = this.paths.verify(leaf, statement, time, own);
      const holder: Holder = anchor ? { anchorFingerprint: anchor.certificate.fingerprint } : describeHolder(leaf);
      const by = anchor ? ' Under a CA of the vendor’s own, which it has registered.' : describeBuild(holder);
      return { issuerKeys, anchor, holder, detail: `${leaf.subjectText}, valid then.${by}` };
    });
    const { vendor } = step(checks, 'vendor', () => {
      const vendor = this.vendors.load(statement.issuer);
      refuseSuspended(vendor);
      return { vendor, detail: `${vendor.legalName}, approved by ${this.trust.registry}.` };
    });
    step(checks, 'claims', () => {
      refuseUnclaimed(claimsUnder(anchor, vendor.claims), facts);
      return { detail: facts.applicationId ? `${facts.applicationId} is the vendor's.` : 'Within what was granted.' };
    });
    step(checks, 'revocation', () => {
      this.refuseRevoked({ vendor, leaf, issuerKeys, anchor, digests: facts.digests, time, place: places[0] });
      return { detail: `Not revoked as of ${text(this.trust.revocations.asOf)}.` };
    });
    const [{ origin, index, size }] = places;
    return {
      subject: statement.subject,
      vendorId: vendor.id,
      vendorName: vendor.legalName,
      time,
      log: { origin, index, size },
      ...(witnessed && { witnessed }),
      certificateFingerprint: leaf.fingerprint,
      ...holder,
    };
  }

  /** A check only where the trust root or the caller asks for one, or where it refuses. */
  private judgeWitnesses(statement: Statement, places: readonly LogPlace[], checks: Check[]): Witnessed | undefined {
    const judge = () => this.witnesses.judge(statement, places);
    if (!this.asksWitnesses) return refusing(checks, 'witnesses', judge);
    return step(checks, 'witnesses', () => {
      const witnessed = judge();
      return { witnessed, detail: describeWitnessed(witnessed) };
    }).witnessed;
  }

  /** Those of the vendor behind an issuer URI; none of a vendor that is not known or not proven, which a later step refuses. */
  private anchorsOf(uri: string, purpose: AnchorPurpose): ProvenAnchors {
    const { vendor, missing } = this.vendors.find(uri);
    if (vendor) return this.anchors.of(vendor, purpose);
    return { anchors: [], ...(missing && { doubt: missing }) };
  }

  private refuseRevoked({ vendor, leaf, issuerKeys, anchor, digests, time, place }: Judged): void {
    const { revocations } = this.trust;
    for (const digest of digests) {
      for (const { vendorId, ...withdrawal } of revocations.digests.get(digest) ?? []) {
        if (vendorId !== undefined && vendorId !== vendor.id) continue;
        refuseIf(withdrawal, time, 'verify/digest-revoked', `${digest} was withdrawn`);
      }
    }
    refuseIf(
      revocations.vendors.get(vendor.id),
      time,
      'verify/vendor-revoked',
      `${vendor.legalName} is no longer trusted`,
    );
    for (const key of issuerKeys) {
      for (const revocation of [revocations.issuers.get(key), revocations.keys.get(key)]) {
        refuseIf(revocation, time, 'verify/issuer-revoked', 'The CA above the certificate is revoked');
      }
    }
    refuseIf(
      // Files and filter are about what the registry issued: of others it knows what the list names.
      anchor
        ? revocations.certificates.get(leaf.fingerprint)
        : this.findRevocation(vendor.id, leaf, issuerKeys[0], place),
      time,
      'verify/certificate-revoked',
      'The signing certificate is revoked',
    );
    const keyHash = encodeHex(sha256(leaf.spki));
    refuseIf(revocations.keys.get(keyHash), time, 'verify/key-revoked', 'The signing key is revoked');
  }

  /**
   * What the trust root says of a certificate. The filter knows every one that the log held at its size, hence those of all
   * statements logged below it: what it does not name is not revoked, and what it names without details at hand is refused
   * whatever the time. Others are looked up.
   */
  private findRevocation(vendorId: string, leaf: Certificate, issuerKey = '', place: LogPlace): Revocation | undefined {
    const { filter } = this.trust;
    const key = parseHex(issuerKey);
    const isCovered =
      filter !== undefined &&
      place.origin === filter.origin &&
      place.index < BigInt(filter.logSize) &&
      filter.covers(key);
    if (isCovered && !filter.isRevoked(key, parseHex(leaf.serialHex))) return undefined;
    const found = this.trust.findRevocation(vendorId, leaf.fingerprint);
    if (found === undefined || found === 'unknown') {
      if (isCovered) return { reason: 'of unknown date' };
      if (found === 'unknown') {
        throw new VerifyFault(
          'verify/bad-trust-root',
          'The file that says whether this certificate is revoked is missing.',
        );
      }
    }
    return found;
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

/** What the certificate says of whoever holds its key. Only after its path: anybody can write such things. */
function describeHolder(leaf: Certificate): Holder {
  const assurance = readAssurance(leaf);
  const workload = assurance === 'ci' ? readWorkload(leaf) : undefined;
  return {
    ...(assurance && { assurance }),
    ...(workload && { workload: { issuer: workload.issuer, subject: workload.subject } }),
  };
}

/** What a finding says of whoever holds the key. */
type Holder = Pick<Finding, 'assurance' | 'workload' | 'anchorFingerprint'>;

function describeBuild({ workload }: Holder): string {
  return workload ? ` Given to the build ${workload.subject} for a day.` : '';
}

/** What a revocation may be about, in one statement. */
interface Judged {
  readonly vendor: PublishedVendor;
  readonly leaf: Certificate;
  /** SHA-256 of the SubjectPublicKeyInfo of each CA above the leaf. */
  readonly issuerKeys: readonly string[];
  readonly anchor: RegisteredAnchor | undefined;
  readonly digests: readonly string[];
  readonly time: Date;
  /** Where the log first had it. */
  readonly place: LogPlace;
}

/** Runs one check and notes its outcome. */
export function step<T extends { detail: string }>(checks: Check[], name: CheckName, run: () => T): T {
  const result = refusing(checks, name, run);
  checks.push({ name, passed: true, detail: result.detail });
  return result;
}

/** Runs one check and notes it if it refuses. */
function refusing<T>(checks: Check[], name: CheckName, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof Fault) checks.push({ name, passed: false, detail: error.message });
    throw error;
  }
}

function describeWitnessed(witnessed: Witnessed | undefined): string {
  if (!witnessed) return 'The log has no witnesses.';
  const { by, of, hasQuorum } = witnessed;
  const seen = `Witnessed by ${by.length} of ${of}`;
  return hasQuorum
    ? `${seen}, which is a quorum.`
    : `${seen} as far as the evidence shows, which is not demanded here.`;
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

function refuseSuspended({ status, legalName }: PublishedVendor): void {
  if (status !== 'suspended') return;
  throw new VerifyFault('verify/vendor-suspended', `${legalName} is suspended: nothing of it may be installed now.`);
}

function refuseIf(revocation: Revocation | undefined, time: Date, code: VerifyFaultCode, message: string): void {
  if (!revocation || (revocation.from && time < revocation.from)) return;
  const since = revocation.from ? ` for signatures since ${text(revocation.from)}` : '';
  throw new VerifyFault(code, `${message} (${revocation.reason})${since}.`);
}

function text(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
