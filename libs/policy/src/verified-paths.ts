import { concatBytes, encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { STRENGTH, verifyPath, type Certificate } from '@margo-trust/x509';

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
const CACHED_PATHS = 4096;

/** What signing certificates are judged against, DER. */
export interface SigningTrust {
  /** The anchors of purpose `artifact-signing`. */
  readonly anchors: readonly Uint8Array[];
  /** The registry's issuing CAs: never trusted by themselves, and known without being sent along. */
  readonly issuing: readonly Uint8Array[];
}

/**
 * Paths from signing certificates to an anchor, each verified once. What one says does not depend on what was asked
 * before: only the times of validity are judged anew, and they are all that can change. At most 4,096 are kept.
 */
export class VerifiedPaths {
  private readonly known = new Map<string, readonly Certificate[]>();
  private readonly trust: SigningTrust;

  constructor(trust: SigningTrust) {
    this.trust = trust;
  }

  /**
   * The path of `chain` (leaf first) at that time, leaf first; throws the Fault of `verifyPath` when there is none.
   * `others` are anchors besides, for this chain alone.
   */
  find(
    chain: readonly [Uint8Array, ...Uint8Array[]],
    at: Date,
    others: readonly Certificate[] = [],
  ): readonly Certificate[] {
    const key = [encodeHex(chainId(chain)), ...others.map(({ fingerprint }) => fingerprint)].join();
    const known = this.known.get(key);
    if (known !== undefined && isValidAt(known, at)) return known;

    const [leaf, ...intermediates] = chain;
    const { issuing } = this.trust;
    const anchors = [...this.trust.anchors, ...others];
    const request = { leaf, intermediates: [...intermediates, ...issuing], anchors, at, eku: CODE_SIGNING };
    const { path } = verifyPath({ ...request, strength: STRENGTH['artifact-signing'] });
    if (this.known.size >= CACHED_PATHS) this.known.clear();
    this.known.set(key, path);
    return path;
  }
}

/** Whether every certificate of the path is within its time (RFC 5280 §4.1.2.5, both ends included). */
export function isValidAt(path: readonly Certificate[], at: Date): boolean {
  return path.every(({ notBefore, notAfter }) => notBefore <= at && at <= notAfter);
}

/** SHA-256 over the certificates' digests, in order: two chains with one id are the same chain. 32 bytes. */
export function chainId(chain: readonly Uint8Array[]): Uint8Array {
  const known = ids.get(chain);
  if (known) return known;
  const id = sha256(concatBytes(...chain.map((der) => sha256(der))));
  ids.set(chain, id);
  return id;
}

/** A registration asks for the id of its chain more than once. */
const ids = new WeakMap<readonly Uint8Array[], Uint8Array>();
