import { Injectable } from '@nestjs/common';
import {
  describeTarget,
  parseRoot,
  parseTargets,
  type TargetFile,
  verifyInitialRoot,
  verifyThreshold,
} from '@margo-trust/tuf';
import type { Tx } from '../db/db.ts';
import { type CurrentTrustRoot, TrustRootReader } from './trust-root.reader.ts';
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
 * Takes what a ceremony has signed, wherever that was, and publishes it. From the first one on the online roles may sign; a second first one
 * fails. Refuses what devices would refuse.
 */
@Injectable()
export class PublishCeremony {
  constructor(
    private readonly reader: TrustRootReader,
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

  /** Takes the next version of the targets role, under `lockCurrent`; the online roles follow when the worker publishes. */
  async renew(tx: Tx, current: CurrentTrustRoot, { targets, files }: Omit<Ceremony, 'root'>): Promise<void> {
    const { signed: trusted } = parseRoot(await this.reader.loadMetadata('root', current.root, tx));
    const parsed = parseTargets(targets);
    verifyThreshold(parsed, trusted.keys, trusted.roles.targets, 'targets');
    if (parsed.signed.version !== current.targets + 1)
      throw new Error('The ceremony signed another version of targets.');
    for (const [name, listed] of Object.entries(parsed.signed.targets)) refuseOtherFile(name, listed, files[name]);

    await this.store.moveTargets(tx, parsed.signed.version);
    await this.repository.addTargets(tx, await this.withoutPublished(tx, current, files));
    await this.repository.addMetadata(tx, { targets });
  }

  /** Targets that the version before had too lie under their hash already. */
  private async withoutPublished(
    tx: Tx,
    current: CurrentTrustRoot,
    files: Ceremony['files'],
  ): Promise<Ceremony['files']> {
    const { signed } = parseTargets(await this.reader.loadMetadata('targets', current.targets, tx));
    const isNew = ([name, body]: [string, Uint8Array]) =>
      signed.targets[name]?.hashes.sha256 !== describeTarget(body).hashes.sha256;
    return Object.fromEntries(Object.entries(files).filter(isNew));
  }
}

function refuseOtherFile(name: string, listed: TargetFile, file: Uint8Array | undefined): void {
  if (file === undefined || describeTarget(file).hashes.sha256 !== listed.hashes.sha256) {
    throw new Error(`The ceremony signed another ${name}, or the file is missing.`);
  }
}
