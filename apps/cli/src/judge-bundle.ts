import { Fault } from '@margo-trust/fault';
import { parseTimestamp, type TufSnapshot } from '@margo-trust/tuf';
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
  return verifyEvidenceBundle(encodeEvidenceBundle({ ...bundle, trustRoot }), options);
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
