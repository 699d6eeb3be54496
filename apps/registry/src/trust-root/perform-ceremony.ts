import { Injectable } from '@nestjs/common';
import { type RoleDescription, tufKeyFromSpki } from '@margo-trust/tuf';
import { Clock } from '../clock.ts';
import type { Tx } from '../db/db.ts';
import { KeyRing } from '../keys/key-ring.ts';
import type { Signer } from '../keys/signer.ts';
import type { KeySlot } from '../keys/slots.ts';
import { wholeSeconds } from '../wire-time.ts';
import { draftCeremony } from './draft-ceremony.ts';
import { PublishCeremony } from './publish-ceremony.ts';
import { signMetadata } from './sign-metadata.ts';

const ROOT_SLOTS = ['tuf-root-1', 'tuf-root-2', 'tuf-root-3'] as const;
export const TARGETS_SLOTS = ['tuf-targets-1', 'tuf-targets-2', 'tuf-targets-3'] as const;
export const THRESHOLD = 2;

/**
 * The first ceremony with all keys at hand, as development has them: two of three sign root and targets. Drafting,
 * signing and publishing are three steps, so that another road can sign elsewhere.
 */
@Injectable()
export class PerformCeremony {
  constructor(
    private readonly keys: KeyRing,
    private readonly publish: PublishCeremony,
    private readonly clock: Clock,
  ) {}

  /** In the transaction that opens the log; `files` are what grants trust, by target name. */
  async run(tx: Tx, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
    const [rootSigners, targetsSigners] = [this.signers(ROOT_SLOTS), this.signers(TARGETS_SLOTS)];
    const draft = draftCeremony({
      roles: {
        root: describe(rootSigners, THRESHOLD),
        targets: describe(targetsSigners, THRESHOLD),
        live: describe(this.signers(['tuf-live']), 1),
        snapshot: describe(this.signers(['tuf-snapshot']), 1),
        timestamp: describe(this.signers(['tuf-timestamp']), 1),
      },
      files,
      now: wholeSeconds(this.clock.now()),
    });
    await this.publish.run(tx, {
      root: await signMetadata(draft.root, rootSigners.slice(0, THRESHOLD)),
      targets: await signMetadata(draft.targets, targetsSigners.slice(0, THRESHOLD)),
      files,
    });
  }

  private signers(slots: readonly KeySlot[]): Signer[] {
    return slots.map((slot) => this.keys.load(slot));
  }
}

function describe(signers: readonly Signer[], threshold: number): RoleDescription {
  return { keys: signers.map(({ spki }) => tufKeyFromSpki(spki)), threshold };
}
