import { areEqualBytes, encodeHex } from '@margo-trust/bytes';
import { Budget, tooComplex, type PathLimits } from './budget.ts';
import { parseCertificate } from './certificate.ts';
import { parseCrl } from './crl.ts';
import { faultOf, X509Fault } from './fault.ts';
import type { Certificate, Crl } from './model.ts';
import { areEqualNames } from './name.ts';
import type { PolicyRequest } from './policies.ts';
import { judgeRevocation, verifyAnySigner, type RevocationRules } from './revocation.ts';
import { verifySigned, type SignedObject } from './signature.ts';
import { STRENGTH, verifySignatureStrength, type StrengthRules } from './strength.ts';
import { validatePath, type PathRules } from './validate-path.ts';

export interface PathRequest {
  readonly leaf: Uint8Array | Certificate;
  /** From the peer: in any order, with duplicates, unrelated ones and ones that can't be read. */
  readonly intermediates: readonly (Uint8Array | Certificate)[];
  /** Ours. The only certificates that are believed. A leaf may be one of them, and is then the whole path. */
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
  /** Whether CRLs may be another CA's than the certificate's own, if the certificate says so. Default: 'refuse'. */
  readonly indirectCrls?: 'refuse' | 'accept';
  /** Default: whatever the CAs of the path ask for. */
  readonly policies?: PolicyRequest;
  /** Which keys and signatures will do. Default: `STRENGTH['artifact-signing']`. */
  readonly strength?: StrengthRules;
  readonly limits?: PathLimits;
}

export interface VerifiedPath {
  /** Leaf first, anchor last. */
  readonly path: Certificate[];
  /** The certificate policies that hold for the path, in the words of the anchor's domain (RFC 9618 §5.5). */
  readonly policies: string[];
}

/**
 * Finds and verifies a path from the leaf to an anchor (RFC 5280 §6, policies by RFC 9618) and returns it, leaf first.
 *
 * Every way through the intermediates is tried until one is valid; when none is, the Fault says what was wrong with the
 * first. `x509/no-path` when no way leads to an anchor, `x509/too-complex` when the search was given up,
 * `x509/revoked` with `revocation` when a certificate of the path is on a CRL.
 *
 * What this does not prove: that the leaf follows the profile of this registry (see `lintLeaf`), nor whose it is.
 */
export function verifyPath(request: PathRequest): VerifiedPath {
  return new PathSearch(request).run(parsed(request.leaf));
}

class PathSearch {
  private readonly request: PathRequest;
  private readonly rules: PathRules;
  private readonly revocationRules: RevocationRules;
  private readonly anchors: readonly Certificate[];
  private readonly intermediates: readonly Certificate[];
  private readonly crls: readonly Crl[] | undefined;
  private readonly budget: Budget;
  /** By signed object, then by key in hex: undefined where the signature is good. */
  private readonly checked = new Map<SignedObject, Map<string, X509Fault | undefined>>();
  /** The first way to an anchor that was not valid; it says more than a signature that did not fit. */
  private pathFault: X509Fault | undefined;
  private signatureFault: X509Fault | undefined;

  constructor(request: PathRequest) {
    const { at, eku, policies, strength = STRENGTH['artifact-signing'] } = request;
    this.request = request;
    this.rules = { at, strength, ...(eku === undefined ? {} : { eku }), ...(policies ? { policies } : {}) };
    this.revocationRules = {
      missingCrl: request.missingCrl ?? 'refuse',
      indirectCrls: request.indirectCrls ?? 'refuse',
      ...(request.staleCrl === 'refuse' ? { freshAt: at } : {}),
    };
    this.anchors = request.anchors.map(parsed);
    this.intermediates = readableIntermediates(request);
    this.crls = request.crls?.map((crl) => (crl instanceof Uint8Array ? parseCrl(crl) : crl));
    this.budget = new Budget(request.limits);
  }

  run(leaf: Certificate): VerifiedPath {
    // A leaf may be an anchor itself. Not a CA: its key is believed for what it certifies, not for what it signs.
    const isAnchor = !leaf.isCa && this.anchors.some(({ der }) => areEqualBytes(der, leaf.der));
    const found = (isAnchor && this.judge([leaf])) || this.extend([leaf]);
    if (found) return found;
    throw (
      this.pathFault ??
      this.signatureFault ??
      new X509Fault('x509/no-path', 'The certificate leads to none of the anchors.')
    );
  }

  /** Depth first, anchors before intermediates: the shortest way wins. */
  private extend(path: readonly Certificate[]): VerifiedPath | undefined {
    const last = path.at(-1) as Certificate;
    for (const anchor of this.anchors) {
      if (!mayIssue(anchor, last) || !this.hasSigned(anchor, last)) continue;
      const found = this.judge([...path, anchor]);
      if (found) return found;
    }
    if (path.length + 1 >= (this.request.limits?.maxDepth ?? 8)) return undefined;
    for (const candidate of this.intermediates) {
      if (!mayIssue(candidate, last) || path.some((used) => isSameEntity(used, candidate))) continue;
      // The peer may own keys of its own and sign as many ways as it likes, all leading nowhere.
      this.budget.spend('steps');
      if (!this.hasSigned(candidate, last)) continue;
      const found = this.extend([...path, candidate]);
      if (found) return found;
    }
    return undefined;
  }

  private judge(path: Certificate[]): VerifiedPath | undefined {
    let policies: string[] = [];
    const fault = faultOf(() => {
      policies = this.validate(path, this.rules);
      this.refuseRevoked(path, (ca) => this.signersBeside(ca));
    });
    if (!fault) return { path, policies };
    this.pathFault ??= fault;
    return undefined;
  }

  private validate(path: readonly Certificate[], rules: PathRules): string[] {
    this.budget.spend('paths');
    return validatePath(path, rules, this.budget);
  }

  private refuseRevoked(
    path: readonly Certificate[],
    signersBeside: (above: readonly Certificate[]) => SignersOf,
  ): void {
    if (!this.crls) return;
    // From the anchor down: a CRL of a revoked CA proves nothing.
    for (let i = path.length - 2; i >= 0; i--) {
      const above = path.slice(i + 1);
      const beside = signersBeside(above);
      const verifySigner = (crl: Crl) => {
        verifySignatureStrength(crl, this.rules.strength);
        verifyAnySigner(crl, signersOf(crl, above, beside), (signer) => this.verifySigned(crl, signer));
      };
      const revocation = judgeRevocation(path[i] as Certificate, this.crls, verifySigner, this.revocationRules);
      if (revocation) throw new X509Fault('x509/revoked', 'A certificate of the path is revoked.', { revocation });
    }
  }

  /**
   * Certificates that are no part of the path and may sign CRLs for it: a CA's key for CRLs alone, its next key, or
   * another issuer of CRLs (RFC 5280 §6.3.3 f). They must come straight from a CA of the path, and thus from the same
   * anchor, be valid, and not be revoked by a CRL that a CA of the path itself has signed.
   */
  private signersBeside(above: readonly Certificate[]): SignersOf {
    return (crl) =>
      this.intermediates.filter((candidate) => {
        if (!candidate.keyUsage.has('cRLSign') || !areEqualNames(candidate.subject, crl.issuer)) return false;
        return above.some((ca, i) => {
          if (!mayIssue(ca, candidate) || !this.hasSigned(ca, candidate)) return false;
          const path = [candidate, ...above.slice(i)];
          const { at, strength } = this.rules;
          return !faultOf(() => {
            this.validate(path, { at, strength });
            this.refuseRevoked(path, () => nobody);
          });
        });
      });
  }

  private hasSigned(issuer: Certificate, certificate: Certificate): boolean {
    const fault = this.signatureFaultOf(certificate, issuer);
    this.signatureFault ??= fault;
    return !fault;
  }

  private verifySigned(crl: Crl, signer: Certificate): void {
    const fault = this.signatureFaultOf(crl, signer);
    if (fault) throw fault;
  }

  /** Each pair is checked once. */
  private signatureFaultOf(object: SignedObject, { spki, publicKey }: Certificate): X509Fault | undefined {
    const byKey = this.checked.get(object) ?? new Map<string, X509Fault | undefined>();
    this.checked.set(object, byKey);
    const key = encodeHex(spki);
    if (!byKey.has(key)) {
      this.budget.spend('signatures');
      byKey.set(
        key,
        faultOf(() => verifySigned(object, publicKey)),
      );
    }
    return byKey.get(key);
  }
}

type SignersOf = (crl: Crl) => readonly Certificate[];
const nobody: SignersOf = () => [];

/** Those of the path first: looking beside it costs more. */
function* signersOf(crl: Crl, above: readonly Certificate[], beside: SignersOf): Iterable<Certificate> {
  for (const ca of above) if (areEqualNames(ca.subject, crl.issuer)) yield ca;
  yield* beside(crl);
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
