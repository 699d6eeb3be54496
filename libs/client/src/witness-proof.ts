import { Fault } from '@margo-trust/fault';
import { parseStatement } from '@margo-trust/statement';
import type { Verifier } from '@margo-trust/verifier';
import { exchange } from './exchange.ts';

/** Finds the C2SP tlog-proof of a statement's entry, with a checkpoint that witnesses have cosigned. Nothing in it is verified. */
export type ProofFinder = (statement: Uint8Array) => Promise<Uint8Array | undefined>;

/** Asks a registry. What it cannot prove, or not now, is undefined: whether that matters is for the verdict to say. */
export function proofFinder(registryUrl: string): ProofFinder {
  return async (statement) => {
    try {
      const { entryId } = parseStatement(statement);
      const url = new URL(`${registryUrl}/entries/${entryId}/proof`);
      const { status, body } = await exchange({ method: 'GET', url, maxBytes: MAX_PROOF_BYTES });
      return status === 200 ? body : undefined;
    } catch (error) {
      if (error instanceof Fault) return undefined;
      throw error;
    }
  };
}

/** Lends the verifier the proof for a statement, where it has use for one. */
export async function lendProof(verifier: Verifier, statement: Uint8Array, find?: ProofFinder): Promise<void> {
  if (!find || !verifier.asksWitnesses) return;
  const proof = await find(statement);
  if (proof) verifier.addProof(proof);
}

const MAX_PROOF_BYTES = 256 << 10;
