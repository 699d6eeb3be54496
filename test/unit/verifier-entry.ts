import { parseBase64 } from '@margo-trust/bytes';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import { verifyEvidenceBundle, type WitnessOptions } from '@margo-trust/verifier';

/** The verdict as a device agent would ask for it: two files in, a verdict in JSON out. Bytes are base64. */
export function verdict(bundle: string, initialRoot: string, seconds: number): unknown {
  return judge(bundle, initialRoot, seconds, {});
}

/** The same by an agent that carries ML-DSA-44 too, for cosignatures of witnesses. */
export function verdictWithMlDsa(bundle: string, initialRoot: string, seconds: number): unknown {
  return judge(bundle, initialRoot, seconds, { verifyMlDsa44 });
}

function judge(bundle: string, initialRoot: string, seconds: number, options: WitnessOptions): unknown {
  const judged = verifyEvidenceBundle(parseBase64(bundle), {
    initialRoot: parseBase64(initialRoot),
    now: new Date(seconds * 1000),
    ...options,
  });
  return JSON.parse(JSON.stringify(judged, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)));
}
