import { Injectable } from '@nestjs/common';
import {
  CEREMONY_ROLES,
  type CeremonyPlan,
  type CeremonyRole,
  type CeremonySignatures,
  draftCeremony,
  draftMetadata,
  hashCeremonyPlan,
  type TufKey,
  tufKeyFromSpki,
  tufSignature,
} from '@margo-trust/tuf';
import { KeyRing } from '../keys/key-ring.ts';

export const ROOT_SLOTS = ['tuf-root-1', 'tuf-root-2', 'tuf-root-3'] as const;
export const TARGETS_SLOTS = ['tuf-targets-1', 'tuf-targets-2', 'tuf-targets-3'] as const;
export const THRESHOLD = 2;

const SLOTS = { root: ROOT_SLOTS, targets: TARGETS_SLOTS } as const;

/**
 * Signs the first ceremony with all keys at hand, as development has them: two of three sign root and targets. Elsewhere each
 * keyholder does it with `margo-trust founding sign`.
 */
@Injectable()
export class PerformCeremony {
  constructor(private readonly keys: KeyRing) {}

  /** The public keys of the offline roles. */
  publicKeys(): Record<CeremonyRole, TufKey[]> {
    const keysOf = (role: CeremonyRole) => SLOTS[role].map((slot) => tufKeyFromSpki(this.keys.load(slot).spki));
    return { root: keysOf('root'), targets: keysOf('targets') };
  }

  async run(plan: CeremonyPlan): Promise<readonly CeremonySignatures[]> {
    const [draft, planSha256] = [draftCeremony(plan), hashCeremonyPlan(plan)];
    const signing = CEREMONY_ROLES.flatMap((role) =>
      SLOTS[role].slice(0, THRESHOLD).map(async (slot) => {
        const signer = this.keys.load(slot);
        const signature = await signer.sign(draftMetadata(draft[role]), 'der');
        return { planSha256, signatures: { [role]: tufSignature(tufKeyFromSpki(signer.spki), signature) } };
      }),
    );
    return Promise.all(signing);
  }
}
