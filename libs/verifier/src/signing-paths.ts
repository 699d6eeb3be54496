import { areEqualBytes, concatBytes, encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import type { Statement } from '@margo-trust/statement';
import { OID, parseCertificate, STRENGTH, verifyPath, type Certificate } from '@margo-trust/x509';
import { VerifyFault } from './fault.ts';
import { isWithinWindow, type TrustRoot } from './trust-root.ts';

/** A verified path: for which times it stands, and by whose keys. */
interface StandingPath {
  /** Half open: `from` belongs to it, `until` does not. */
  readonly from: Date;
  readonly until: Date;
  /** SHA-256 of the SubjectPublicKeyInfo of each CA, hex. */
  readonly issuerKeys: readonly string[];
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
   * That the presented certificate leads to an anchor at that time, and names the issuer of the statement and only it.
   * Returns whose keys vouch for it: SHA-256 of the SubjectPublicKeyInfo of each CA on the path, hex.
   */
  verify(leaf: Certificate, { chain, issuer }: Statement, at: Date): readonly string[] {
    const key = encodeHex(sha256(concatBytes(...chain.map((der) => sha256(der)))));
    const known = this.paths.get(key);
    const isKnown = known && at >= known.from && at < known.until;
    const standing = isKnown ? known : remember(this.paths, key, this.buildPath(leaf, chain.slice(1), at));
    if (leaf.uriSans.length !== 1 || leaf.sans.length !== 1 || leaf.uriSans[0] !== issuer) {
      throw new VerifyFault(
        'verify/issuer-mismatch',
        'The certificate does not name the issuer of the statement, and only it.',
      );
    }
    return standing.issuerKeys;
  }

  /** Builds a path at that time, and says for which times the same path stands. */
  private buildPath(leaf: Certificate, intermediates: readonly Uint8Array[], at: Date): StandingPath {
    const anchors = this.trust.anchors.filter((anchor) => isWithinWindow(anchor, at));
    const { path } = verifyPath({
      leaf,
      intermediates: [...intermediates, ...this.trust.intermediates],
      anchors: anchors.map(({ certificate }) => certificate),
      at,
      eku: OID.codeSigning,
      strength: STRENGTH['artifact-signing'],
    });
    const used = anchors.find(({ certificate }) => areEqualBytes(certificate, path.at(-1)?.der ?? certificate));
    const starts = [...path.map(({ notBefore }) => notBefore), ...(used ? [used.validFrom] : [])];
    const ends = [...path.map(({ notAfter }) => notAfter), ...(used?.validUntil ? [used.validUntil] : [])];
    return {
      from: new Date(Math.max(...starts.map(Number))),
      until: new Date(Math.min(...ends.map(Number))),
      issuerKeys: path.slice(1).map(({ spki }) => encodeHex(sha256(spki))),
    };
  }
}

/** Keeps a bounded number of results: what a peer sends must not fill the memory. */
function remember<T>(kept: Map<string, T>, key: string, value: T): T {
  if (kept.size >= 1024) kept.clear();
  kept.set(key, value);
  return value;
}
