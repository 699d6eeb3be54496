import { parseBase64 } from '@margo-trust/bytes';
import { verifyEvidenceBundle } from '@margo-trust/verifier';

/** The verdict as a device agent would ask for it: two files in, a verdict in JSON out. Bytes are base64. */
export function verdict(bundle: string, initialRoot: string, seconds: number): unknown {
  const judged = verifyEvidenceBundle(parseBase64(bundle), {
    initialRoot: parseBase64(initialRoot),
    now: new Date(seconds * 1000),
  });
  return JSON.parse(JSON.stringify(judged, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)));
}
