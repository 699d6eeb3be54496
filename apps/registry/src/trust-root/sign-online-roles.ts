import { Injectable } from '@nestjs/common';
import { draftSnapshot, draftTargets, draftTimestamp, openTufSnapshot } from '@margo-trust/tuf';
import type { Tx } from '../db/db.ts';
import { KeyRing } from '../keys/key-ring.ts';
import { wholeSeconds } from '../wire-time.ts';
import { signMetadata } from './sign-metadata.ts';
import { type CurrentTrustRoot, TrustRootReader } from './trust-root.reader.ts';

/** The metadata of the three online roles that belongs together. */
export interface OnlineMetadata {
  readonly live: Uint8Array;
  readonly snapshot: Uint8Array;
  readonly timestamp: Uint8Array;
}

/** Clients of a registry that is down keep working for the rest of a week. */
const LIFETIME_MS = 7 * 24 * 3_600_000;

/** Signs the next version of each online role over `files` and over what the last ceremony signed. */
@Injectable()
export class SignOnlineRoles {
  constructor(
    private readonly reader: TrustRootReader,
    private readonly keys: KeyRing,
  ) {}

  async run(
    tx: Tx,
    current: CurrentTrustRoot,
    files: Readonly<Record<string, Uint8Array>>,
    now: Date,
  ): Promise<OnlineMetadata> {
    const root = await this.reader.loadMetadata('root', current.root, tx);
    const targets = await this.reader.loadMetadata('targets', current.targets, tx);
    const next = (version: number) => ({
      version: version + 1,
      expires: wholeSeconds(new Date(now.getTime() + LIFETIME_MS)),
    });

    const live = await signMetadata(draftTargets({ ...next(current.live), files }), [this.keys.load('tuf-live')]);
    const snapshotDraft = draftSnapshot({ ...next(current.snapshot), roles: { targets, live } });
    const snapshot = await signMetadata(snapshotDraft, [this.keys.load('tuf-snapshot')]);
    const timestampDraft = draftTimestamp({ ...next(current.timestamp), snapshot });
    const timestamp = await signMetadata(timestampDraft, [this.keys.load('tuf-timestamp')]);

    // As a device reads it: a key file that was exchanged stops us here, and not every device. Root and targets may have
    // expired; that is for devices to judge, and no reason to keep a revocation back.
    const set = { initialRoot: root, roots: [], timestamp, snapshot, targets, delegated: { live }, files: {} };
    openTufSnapshot(set, { now, expired: 'report' });
    return { live, snapshot, timestamp };
  }
}
