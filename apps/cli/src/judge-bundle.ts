import { Fault } from '@margo-trust/fault';
import { parseTimestamp, verifyListedBytes, type TufFileSet, type TufSnapshot } from '@margo-trust/tuf';
import {
  encodeEvidenceBundle,
  parseEvidenceBundle,
  verifyEvidenceBundle,
  type BundleQuestion,
  type Verdict,
} from '@margo-trust/verifier';

/**
 * Judges a bundle for a machine that has a trust root of its own. The newer knowledge decides: a bundle must not bring
 * back a certificate that this machine knows to be revoked.
 */
export function judgeBundle(
  bytes: Uint8Array,
  own: TufSnapshot,
  question: Omit<BundleQuestion, 'initialRoot'>,
): Verdict {
  const { initialRoot, ...trustRoot } = own.set;
  const options = { initialRoot, ...question };
  if (!isOlder(bytes, own)) return verifyEvidenceBundle(bytes, options);
  const bundle = parseEvidenceBundle(bytes);
  const files = { ...trustRoot.files, ...lentFiles(own, bundle.trustRoot.files) };
  return verifyEvidenceBundle(encodeEvidenceBundle({ ...bundle, trustRoot: { ...trustRoot, files } }), options);
}

/**
 * Files of the bundle that this machine lacks and that its own trust root still vouches for: it need not hold every vendor's.
 * Where they have changed since, the trust root is asked for its own, and so learns what it misses.
 */
function lentFiles(own: TufSnapshot, carried: TufFileSet['files']): TufFileSet['files'] {
  const lent = Object.entries(carried).filter(([name, bytes]) => {
    const target = own.findTarget(name);
    if (!target || Object.hasOwn(own.set.files, name)) return false;
    const isCurrent = holds(() => verifyListedBytes(bytes, target, `target ${name}`));
    return isCurrent || holds(() => own.target(name));
  });
  return Object.fromEntries(lent);
}

function holds(check: () => unknown): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}

/** What can't be read is left to the verdict. */
function isOlder(bytes: Uint8Array, own: TufSnapshot): boolean {
  try {
    const { version } = parseTimestamp(parseEvidenceBundle(bytes).trustRoot.timestamp).signed;
    return version < own.timestamp.version;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}
