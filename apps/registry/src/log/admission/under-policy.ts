import { sha256 } from '@margo-trust/crypto';
import type { SigningPath } from '@margo-trust/policy';
import { RegistrationFault } from '../log.fault.ts';
import type { NewEntry } from '../log.store.ts';
import type { LoggedPolicy, PolicyReader } from './policy.reader.ts';

const MOST_TRIES = 3;

/** Judges and registers under the policy in force, and once more when sealing found that another one is. */
export async function underPolicy<T>(policies: PolicyReader, admit: (logged: LoggedPolicy) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await admit(await policies.current());
    } catch (error) {
      if (!isPolicyChange(error) || tries === MOST_TRIES) throw error;
      policies.forget();
    }
  }
}

/**
 * What the judgement rests on and may have ended when the entry is sealed: the policy, every certificate of the path, and the
 * anchor where a vendor has registered it. `anchorId` is how the registry calls that one.
 */
export function admissionOf(
  { index }: LoggedPolicy,
  { path, anchor }: SigningPath,
  anchorId?: string,
): NonNullable<NewEntry['admission']> {
  const starts = path.map(({ notBefore }) => notBefore.getTime());
  const ends = path.map(({ notAfter }) => notAfter.getTime());
  if (anchor) {
    starts.push(anchor.validFrom.getTime());
    ends.push(anchor.validUntil.getTime() - 1); // the window ends before, certificates end after
  }
  return {
    policyIndex: index,
    from: new Date(Math.max(...starts)),
    until: new Date(Math.min(...ends)),
    ...(anchorId !== undefined && { anchor: { id: anchorId, keys: path.map(({ spki }) => sha256(spki)) } }),
  };
}

function isPolicyChange(error: unknown): boolean {
  return error instanceof RegistrationFault && error.code === 'registration/policy-changed';
}
