import { OpenpgpFault } from './fault.ts';

export type Openpgp = typeof import('openpgp');

/**
 * openpgp.js, when the first key or signature is met: whoever meets none neither loads nor needs it. It stays a package of its own,
 * also beside a command line that is bundled into one file.
 */
export async function loadOpenpgp(): Promise<Openpgp> {
  try {
    return await import('openpgp');
  } catch (cause) {
    throw new OpenpgpFault(
      'openpgp/unavailable',
      'Reading OpenPGP takes the package openpgp, which is not installed.',
      {
        cause,
      },
    );
  }
}
