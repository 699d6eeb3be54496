import type { Certificate } from '@margo-trust/x509';
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

/** What the judgement rests on and may have ended when the entry is sealed: the policy, and every certificate of the path. */
export function admissionOf({ index }: LoggedPolicy, path: readonly Certificate[]): NonNullable<NewEntry['admission']> {
  return {
    policyIndex: index,
    from: new Date(Math.max(...path.map(({ notBefore }) => notBefore.getTime()))),
    until: new Date(Math.min(...path.map(({ notAfter }) => notAfter.getTime()))),
  };
}

function isPolicyChange(error: unknown): boolean {
  return error instanceof RegistrationFault && error.code === 'registration/policy-changed';
}
