import { Injectable } from '@nestjs/common';
import { draftTargets, OFFLINE_LIFETIME_MS, parseTargets, type TargetsMetadata } from '@margo-trust/tuf';
import { AnchorReader } from '../certificates/anchors/anchor.reader.ts';
import { type Authority, CertificateReader } from '../certificates/certificate.reader.ts';
import { Clock } from '../clock.ts';
import { Config } from '../config.ts';
import { Db, type Tx } from '../db/db.ts';
import { KeyRing } from '../keys/key-ring.ts';
import { describeTrustRoot } from '../log/describe-trust-root.ts';
import { LogsOnRecord } from '../log/logs-on-record.ts';
import { wholeSeconds } from '../wire-time.ts';
import { VendorReader } from '../vendors/vendor.reader.ts';
import { encodeGrantedTargets } from './granted-targets.ts';
import type { ToolAnchor } from './notation-targets.ts';
import { TARGETS_SLOTS, THRESHOLD } from './perform-ceremony.ts';
import { PublishCeremony } from './publish-ceremony.ts';
import { signMetadata } from './sign-metadata.ts';
import { type CurrentTrustRoot, TrustRootReader } from './trust-root.reader.ts';
import { TrustRootStore } from './trust-root.store.ts';

/** The next version of what grants trust, not signed yet, and its files by target name. */
export interface TargetsDraft {
  readonly targets: TargetsMetadata;
  readonly files: Readonly<Record<string, Uint8Array>>;
}

/**
 * Brings the offline `targets` role up to what the registry is now, when an authority has come, a log or one of its keys is another, or an
 * anchor of a vendor's is. Signs it where the role's keys
 * are at hand, as in development. The worker then publishes it with the online roles.
 *
 * Part of it comes from the configuration, such as the witnesses. A process compares once when it starts and once for every change of
 * authorities, logs or anchors, so that two processes that are configured differently do not take turns for ever.
 */
@Injectable()
export class RenewTargets {
  private settled: Settled | undefined;

  constructor(
    private readonly db: Db,
    private readonly reader: TrustRootReader,
    private readonly store: TrustRootStore,
    private readonly certificates: CertificateReader,
    private readonly anchors: AnchorReader,
    private readonly vendors: VendorReader,
    private readonly logs: LogsOnRecord,
    private readonly keys: KeyRing,
    private readonly publish: PublishCeremony,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  /** Cheap enough to be asked every second. False before genesis, and where the keys are elsewhere. */
  async isDue(): Promise<boolean> {
    if (TARGETS_SLOTS.slice(0, THRESHOLD).some((slot) => !this.keys.has(slot))) return false;
    const authorities = await this.certificates.authorities();
    const logs = await this.logs.version();
    const anchors = await this.anchors.stateForTools();
    const { settled } = this;
    if (settled?.authorities === authorities && settled.logs === logs && settled.anchors === anchors) return false;
    const current = await this.reader.findCurrent();
    if (current === undefined) return false;
    if ((await this.draftFrom(current)) !== undefined) return true;
    this.settled = { authorities, logs, anchors };
    return false;
  }

  async run(): Promise<void> {
    const authorities = await this.certificates.authorities();
    const logs = await this.logs.version();
    const anchors = await this.anchors.stateForTools();
    await this.db.transaction(async (tx) => {
      const current = await this.store.lockCurrent(tx);
      if (current === undefined) return;
      const draft = await this.draftFrom(current, tx);
      if (draft === undefined) return;
      const signers = TARGETS_SLOTS.slice(0, THRESHOLD).map((slot) => this.keys.load(slot));
      const targets = await signMetadata(draft.targets, signers);
      await this.publish.renew(tx, current, { targets, files: draft.files });
    });
    this.settled = { authorities, logs, anchors };
  }

  /** What would have to be signed; undefined when the current targets say it already. */
  private async draftFrom(current: CurrentTrustRoot, tx?: Tx): Promise<TargetsDraft | undefined> {
    const { signed } = parseTargets(await this.reader.loadMetadata('targets', current.targets, tx));
    const authorities = await this.certificates.authorities(tx);
    const { domain, witnessing } = this.config;
    const logs = await this.logs.load(tx);
    const document = describeTrustRoot(domain, authorities, logs, witnessing?.demand ?? 'reported');
    const files = encodeGrantedTargets(document, authorities, await this.forTools(tx));
    const { delegations } = signed;
    const expires = new Date(wholeSeconds(this.clock.now()).getTime() + OFFLINE_LIFETIME_MS);
    const drafted = draftTargets({ version: current.targets + 1, expires, files });
    if (JSON.stringify(sorted(drafted.targets)) === JSON.stringify(sorted(signed.targets))) return undefined;
    return { targets: { ...drafted, ...(delegations && { delegations }) }, files };
  }

  private async forTools(tx?: Tx): Promise<ToolAnchor[]> {
    const anchors = await this.anchors.forTools(tx);
    if (anchors.length === 0) return [];
    const subjects = new Map((await this.vendors.admitted(tx)).map(({ id, subject }) => [id, subject]));
    return anchors.map((anchor) => {
      const vendorSubject = subjects.get(anchor.vendorId);
      if (vendorSubject === undefined)
        throw new Error(`The vendor ${anchor.vendorId} has an anchor and was not admitted.`);
      return { ...anchor, vendorSubject };
    });
  }
}

interface Settled {
  readonly authorities: readonly Authority[];
  readonly logs: string;
  readonly anchors: string;
}

function sorted(files: TargetsMetadata['targets']): [string, string][] {
  return Object.entries(files)
    .map(([name, { hashes }]): [string, string] => [name, hashes.sha256])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
