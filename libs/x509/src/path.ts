import { areEqualBytes, encodeHex } from '@margo-trust/bytes';
import { parseCertificate } from './certificate.ts';
import { parseCrl } from './crl.ts';
import { X509Fault } from './fault.ts';
import type { Certificate, Crl } from './model.ts';
import { areEqualNames } from './name.ts';
import { findRevocation } from './revocation.ts';
import { verifySigned } from './signature.ts';
import { validatePath } from './validate-path.ts';

export interface PathRequest {
  readonly leaf: Uint8Array | Certificate;
  /** From the peer: in any order, with duplicates, unrelated ones and ones that can't be read. */
  readonly intermediates: readonly (Uint8Array | Certificate)[];
  /** Ours. The only certificates that are believed. */
  readonly anchors: readonly (Uint8Array | Certificate)[];
  /** The time all certificates of the path must be valid at. */
  readonly at: Date;
  /** Object identifier of the purpose. The leaf must list it, and so must every CA that lists any. */
  readonly eku?: string;
  /** When given, each certificate below the anchor is looked up: see `findRevocation`. */
  readonly crls?: readonly (Uint8Array | Crl)[];
  /** What a certificate that no CRL covers means. Default: 'refuse'. */
  readonly missingCrl?: 'refuse' | 'accept';
  /** Whether CRLs must be current at `at`. Default: 'accept' old and later ones. */
  readonly staleCrl?: 'refuse' | 'accept';
  readonly limits?: PathLimits;
}

export interface PathLimits {
  /** Certificates in a path, leaf and anchor included. Default: 8. */
  readonly maxDepth?: number;
  /** Different intermediates. Default: 64. */
  readonly maxIntermediates?: number;
  /** Default: 128. */
  readonly maxSignatureChecks?: number;
  /** Smallest RSA key in the path. Default: 2048, below which no key is read at all. */
  readonly minRsaBits?: number;
}

/**
 * Finds and verifies a path from the leaf to an anchor (RFC 5280 §6) and returns it, leaf first.
 *
 * Every way through the intermediates is tried until one is valid; when none is, the Fault says what was wrong with the
 * first. `x509/no-path` when no way leads to an anchor, `x509/too-complex` when the search was given up,
 * `x509/revoked` with `revocation` when a certificate of the path is on a CRL.
 *
 * What this does not prove: that the leaf follows the profile of this registry (see `lintLeaf`), nor whose it is.
 */
export function verifyPath(request: PathRequest): { path: Certificate[] } {
  const leaf = parsed(request.leaf);
  const anchors = request.anchors.map(parsed);
  const search = new PathSearch(request, anchors);
  return { path: search.run(leaf) };
}

class PathSearch {
  private readonly request: PathRequest;
  private readonly anchors: readonly Certificate[];
  private readonly intermediates: readonly Certificate[];
  private readonly crls: readonly Crl[] | undefined;
  private readonly isSigned = new Map<string, boolean>();
  /** The first way to an anchor that was not valid; it says more than a signature that did not fit. */
  private pathFault: X509Fault | undefined;
  private signatureFault: X509Fault | undefined;
  private stepsLeft = 1000;

  constructor(request: PathRequest, anchors: readonly Certificate[]) {
    this.request = request;
    this.anchors = anchors;
    this.intermediates = readableIntermediates(request);
    this.crls = request.crls?.map((crl) => (crl instanceof Uint8Array ? parseCrl(crl) : crl));
  }

  run(leaf: Certificate): Certificate[] {
    const path = this.extend([leaf]);
    if (path) return path;
    throw (
      this.pathFault ??
      this.signatureFault ??
      new X509Fault('x509/no-path', 'The certificate leads to none of the anchors.')
    );
  }

  /** Depth first, anchors before intermediates: the shortest way wins. */
  private extend(path: readonly Certificate[]): Certificate[] | undefined {
    const last = path.at(-1) as Certificate;
    for (const anchor of this.anchors.filter((candidate) => mayIssue(candidate, last))) {
      const whole = [...path, anchor];
      if (this.hasSigned(anchor, last) && this.isValid(whole)) return whole;
    }
    if (path.length + 1 >= (this.request.limits?.maxDepth ?? 8)) return undefined;
    for (const candidate of this.intermediates) {
      if (!mayIssue(candidate, last) || path.some((used) => isSameEntity(used, candidate))) continue;
      // The peer may own keys of its own and sign as many ways as it likes, all leading nowhere.
      if (this.stepsLeft-- <= 0) throw tooComplex();
      if (!this.hasSigned(candidate, last)) continue;
      const whole = this.extend([...path, candidate]);
      if (whole) return whole;
    }
    return undefined;
  }

  private isValid(path: readonly Certificate[]): boolean {
    const { at, eku, limits } = this.request;
    const fault = faultOf(() => {
      path.forEach((certificate) => refuseWeakKey(certificate, limits?.minRsaBits ?? 2048));
      validatePath(path, at, eku);
      if (this.crls) refuseRevoked(path, this.crls, this.request);
    });
    this.pathFault ??= fault;
    return fault === undefined;
  }

  private hasSigned(issuer: Certificate, certificate: Certificate): boolean {
    const pair = `${certificate.fingerprint} ${encodeHex(issuer.spki)}`;
    const known = this.isSigned.get(pair);
    if (known !== undefined) return known;
    if (this.isSigned.size >= (this.request.limits?.maxSignatureChecks ?? 128)) throw tooComplex();
    const fault = faultOf(() => verifySigned(certificate, issuer.publicKey));
    this.signatureFault ??= fault;
    this.isSigned.set(pair, fault === undefined);
    return fault === undefined;
  }
}

function faultOf(step: () => void): X509Fault | undefined {
  try {
    step();
    return undefined;
  } catch (error) {
    if (error instanceof X509Fault) return error;
    throw error;
  }
}

function refuseRevoked(path: readonly Certificate[], crls: readonly Crl[], request: PathRequest): void {
  // From the anchor down: a CRL of a revoked CA proves nothing.
  for (let i = path.length - 2; i >= 0; i--) {
    const certificate = path[i] as Certificate;
    const revocation = findRevocation({
      certificate,
      issuers: path.slice(i + 1).filter(({ subject }) => areEqualNames(subject, certificate.issuer)),
      crls,
      ...(request.missingCrl ? { missingCrl: request.missingCrl } : {}),
      ...(request.staleCrl === 'refuse' ? { freshAt: request.at } : {}),
    });
    if (revocation) throw new X509Fault('x509/revoked', 'A certificate of the path is revoked.', { revocation });
  }
}

function refuseWeakKey({ publicKey, subjectText }: Certificate, minRsaBits: number): void {
  if (publicKey.type === 'RSA' && publicKey.bits < minRsaBits) {
    throw new X509Fault('x509/weak', `The RSA key has ${publicKey.bits} bits: ${subjectText}`);
  }
}

/** Unreadable intermediates are no part of any path, and not worth refusing a leaf that does without them. */
function readableIntermediates({ intermediates, limits }: PathRequest): Certificate[] {
  const byFingerprint = new Map<string, Certificate>();
  if (intermediates.length > 4 * (limits?.maxIntermediates ?? 64)) throw tooComplex();
  for (const input of intermediates) {
    try {
      const certificate = parsed(input);
      byFingerprint.set(certificate.fingerprint, certificate);
    } catch (error) {
      if (!(error instanceof X509Fault)) throw error;
    }
  }
  if (byFingerprint.size > (limits?.maxIntermediates ?? 64)) throw tooComplex();
  return [...byFingerprint.values()];
}

/** By name and key identifiers; whether it did is for the signature to say. */
function mayIssue(issuer: Certificate, certificate: Certificate): boolean {
  if (!areEqualNames(issuer.subject, certificate.issuer)) return false;
  return !issuer.ski || !certificate.aki || areEqualBytes(issuer.ski, certificate.aki);
}

function isSameEntity(a: Certificate, b: Certificate): boolean {
  return areEqualBytes(a.spki, b.spki) && areEqualNames(a.subject, b.subject);
}

function parsed(certificate: Uint8Array | Certificate): Certificate {
  return certificate instanceof Uint8Array ? parseCertificate(certificate) : certificate;
}

function tooComplex(): X509Fault {
  return new X509Fault('x509/too-complex', 'The search for a path was given up.');
}
