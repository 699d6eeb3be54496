import { areEqualBytes, concatBytes, encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { judgeAnchor, type RegisteredAnchor } from '@margo-trust/policy';
import type { Statement } from '@margo-trust/statement';
import { Fault } from '@margo-trust/fault';
import { OID, parseCertificate, STRENGTH, verifyPath, type Certificate } from '@margo-trust/x509';
import { VerifyFault } from './fault.ts';
import type { ProvenAnchors } from './registered-anchors.ts';
import { isWithinWindow, type TrustRoot } from './trust-root.ts';

/** A verified path: for which times it stands, and by whose keys. */
export interface StandingPath {
  /** Half open: `from` belongs to it, `until` does not. */
  readonly from: Date;
  readonly until: Date;
  /** SHA-256 of the SubjectPublicKeyInfo of each CA, hex. */
  readonly issuerKeys: readonly string[];
  /** That of the vendor itself which it counts by, if not one of the registry's. */
  readonly anchor?: RegisteredAnchor;
}

/** Ties signing certificates to the anchors of a trust root, and remembers which paths it has verified. */
export class SigningPaths {
  private readonly trust: TrustRoot;
  /** By chain: for which times its path to an anchor stands. */
  private readonly paths = new Map<string, StandingPath>();
  private readonly leaves = new Map<string, Certificate>();

  constructor(trust: TrustRoot) {
    this.trust = trust;
  }

  /** The presented certificate, which nothing vouches for before its path is verified. */
  presentedLeaf({ chain, x5t }: Statement): Certificate {
    const [der] = chain;
    if (!der || !x5t) {
      throw new VerifyFault('verify/no-certificate', 'No signing certificate travels with the statement.');
    }
    const key = encodeHex(x5t); // parseStatement has compared it with the certificate
    return this.leaves.get(key) ?? remember(this.leaves, key, parseCertificate(der));
  }

  /**
   * That the presented certificate leads to an anchor at that time. To one of the registry's: then it names the issuer of the
   * statement and only it. Or to one that the issuer has registered (`own`): then it is what that was registered for.
   */
  verify(leaf: Certificate, { chain, issuer }: Statement, at: Date, own: ProvenAnchors): StandingPath {
    const chainKey = encodeHex(sha256(concatBytes(...chain.map((der) => sha256(der)))));
    const key = own.anchors.length === 0 ? chainKey : `${chainKey} ${issuer}`;
    const known = this.paths.get(key);
    const isKnown = known && at >= known.from && at < known.until;
    const standing = isKnown ? known : remember(this.paths, key, this.findPath(leaf, chain.slice(1), at, own));
    if (standing.anchor) return standing;
    if (leaf.uriSans.length !== 1 || leaf.sans.length !== 1 || leaf.uriSans[0] !== issuer) {
      throw new VerifyFault(
        'verify/issuer-mismatch',
        'The certificate does not name the issuer of the statement, and only it.',
      );
    }
    return standing;
  }

  /** Where there is no path, an anchor that could not be proven is the better answer. */
  private findPath(
    leaf: Certificate,
    intermediates: readonly Uint8Array[],
    at: Date,
    { anchors, doubt }: ProvenAnchors,
  ): StandingPath {
    try {
      return this.buildPath(leaf, intermediates, at, anchors);
    } catch (error) {
      throw error instanceof Fault && doubt ? doubt : error;
    }
  }

  /** Builds a path at that time, and says for which times the same path stands. */
  private buildPath(
    leaf: Certificate,
    intermediates: readonly Uint8Array[],
    at: Date,
    own: readonly RegisteredAnchor[],
  ): StandingPath {
    const anchors = this.trust.anchors.filter((anchor) => isWithinWindow(anchor, at));
    const { path } = verifyPath({
      leaf,
      intermediates: [...intermediates, ...this.trust.intermediates],
      anchors: [...anchors, ...own].map(({ certificate }) => certificate),
      at,
      eku: OID.codeSigning,
      strength: STRENGTH['artifact-signing'],
    });
    const anchor = judgeAnchor(path, own, at);
    const used =
      anchor ?? anchors.find(({ certificate }) => areEqualBytes(certificate, path.at(-1)?.der ?? certificate));
    const starts = [...path.map(({ notBefore }) => notBefore), ...(used ? [used.validFrom] : [])];
    const ends = [...path.map(({ notAfter }) => notAfter), ...(used?.validUntil ? [used.validUntil] : [])];
    return {
      from: new Date(Math.max(...starts.map(Number))),
      until: new Date(Math.min(...ends.map(Number))),
      issuerKeys: path.slice(1).map(({ spki }) => encodeHex(sha256(spki))),
      ...(anchor && { anchor }),
    };
  }
}

/** Keeps a bounded number of results: what a peer sends must not fill the memory. */
function remember<T>(kept: Map<string, T>, key: string, value: T): T {
  if (kept.size >= 1024) kept.clear();
  kept.set(key, value);
  return value;
}
