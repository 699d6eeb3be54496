import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import type { WitnessOptions } from '@margo-trust/verifier';

/** What a command line says about witnesses, and the means to check both kinds of cosignature. */
export function witnessOptions({ requireWitnesses = false }: { requireWitnesses?: boolean } = {}): WitnessOptions {
  return { verifyMlDsa44, ...(requireWitnesses && { witnesses: 'required' }) };
}
