import { Injectable } from '@nestjs/common';
import { describeTarget, parseTargets, type TargetFile, verifyInitialRoot, verifyThreshold } from '@margo-trust/tuf';
import type { Tx } from '../db/db.ts';
import { TrustRootStore } from './trust-root.store.ts';
import { TufRepository } from './tuf-repository.ts';

/** What comes out of the first ceremony. */
export interface Ceremony {
  readonly root: Uint8Array;
  readonly targets: Uint8Array;
  /** Every target that `targets` lists, by name. */
  readonly files: Readonly<Record<string, Uint8Array>>;
}

/**
 * Takes what a first ceremony has signed, wherever that was, and publishes it: from here on the online roles may sign.
 * Refuses what devices would refuse. A second one for the same database fails.
 */
@Injectable()
export class PublishCeremony {
  constructor(
    private readonly store: TrustRootStore,
    private readonly repository: TufRepository,
  ) {}

  async run(tx: Tx, { root, targets, files }: Ceremony): Promise<void> {
    const { signed: trusted } = verifyInitialRoot(root);
    const parsed = parseTargets(targets);
    verifyThreshold(parsed, trusted.keys, trusted.roles.targets, 'targets');
    for (const [name, listed] of Object.entries(parsed.signed.targets)) refuseOtherFile(name, listed, files[name]);

    await this.store.insertCurrent(tx, { root: trusted.version, targets: parsed.signed.version });
    await this.repository.addTargets(tx, files);
    await this.repository.addMetadata(tx, { root, targets });
  }
}

function refuseOtherFile(name: string, listed: TargetFile, file: Uint8Array | undefined): void {
  if (file === undefined || describeTarget(file).hashes.sha256 !== listed.hashes.sha256) {
    throw new Error(`The ceremony signed another ${name}, or the file is missing.`);
  }
}
