import type { PublicKey } from './key.ts';

/** JOSE names (RFC 7518 §3.1); Ed25519 is PureEdDSA (RFC 8032). PSS salts are as long as the digest. */
export type SignatureAlgorithm =
  'ES256' | 'ES384' | 'ES512' | 'PS256' | 'PS384' | 'PS512' | 'RS256' | 'RS384' | 'RS512' | 'Ed25519';

/** Everything a signature check needs; making one decides nothing yet. */
export interface SignatureCheck {
  readonly algorithm: SignatureAlgorithm;
  readonly key: PublicKey;
  /** What was signed; it is hashed here. */
  readonly data: Uint8Array;
  readonly signature: Uint8Array;
  /**
   * ECDSA only. `raw` (the default) is r ‖ s as in JOSE and COSE, where the algorithm also names the curve.
   * `der` is the SEQUENCE of X.509 and CMS, whose algorithm names only the hash: any curve goes with it.
   */
  readonly encoding?: 'raw' | 'der';
}
