import { generateKeyPairSync, sign } from 'node:crypto';
import {
  assembleMetadata,
  draftMetadata,
  draftRoot,
  draftSnapshot,
  draftTargets,
  draftTimestamp,
  metadataPath,
  parseRoot,
  targetPath,
  tufKeyFromSpki,
  tufKeyId,
  tufSignature,
  describeTarget,
  type DelegationDescription,
  type Metadata,
  type TopLevelRole,
  type TufKey,
} from '@margo-trust/tuf';

export interface Signer {
  readonly key: TufKey;
  sign(data: Uint8Array): Uint8Array;
}

export function makeSigner(kind: 'Ed25519' | 'P-256' = 'Ed25519'): Signer {
  const { publicKey, privateKey } =
    kind === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    key: tufKeyFromSpki(publicKey.export({ type: 'spki', format: 'der' })),
    sign: (data) => sign(kind === 'Ed25519' ? null : 'sha256', data, privateKey),
  };
}

export function signMetadata(signed: Metadata, signers: readonly Signer[]): Uint8Array {
  const data = draftMetadata(signed);
  return assembleMetadata(
    signed,
    signers.map((signer) => tufSignature(signer.key, signer.sign(data))),
  );
}

export interface SimulatedRole {
  signers: Signer[];
  threshold: number;
  version: number;
  expires: Date;
}

export const NOW = new Date('2026-11-25T12:00:00Z');
export const LATER = new Date('2027-11-25T12:00:00Z');

/** A repository in memory whose every part can be changed before it is published, sanely or not. */
export class Simulator {
  readonly roles: Record<TopLevelRole | 'live', SimulatedRole> = {
    root: role([makeSigner('P-256'), makeSigner('P-256'), makeSigner('Ed25519')], 2),
    targets: role([makeSigner('P-256'), makeSigner('P-256')], 2),
    live: role([makeSigner()], 1),
    snapshot: role([makeSigner()], 1),
    timestamp: role([makeSigner()], 1),
  };
  readonly files = new Map<string, Uint8Array>();
  /** Target files by name; names that begin with `live.` belong to the delegated role. */
  readonly targets = new Map<string, Uint8Array>();
  delegation: Partial<DelegationDescription> = {};

  constructor() {
    this.targets.set('margo.trust-root.v1.json', text('{"anchors":[]}'));
    this.targets.set('live.revocations.v1.json', text('{"revoked":[]}'));
    this.publishRoot();
    this.publish();
  }

  get initialRoot(): Uint8Array {
    return this.file('1.root.json');
  }

  file(path: string): Uint8Array {
    const bytes = this.files.get(path);
    if (!bytes) throw new Error(`No file ${path}`);
    return bytes;
  }

  current(role: keyof Simulator['roles']): Uint8Array {
    return this.file(metadataPath(role, this.roles[role].version));
  }

  /** Signs the root role as it is now, with its own keys and those of the version before. */
  publishRoot(): void {
    const { root } = this.roles;
    const before = this.files.get(metadataPath('root', root.version - 1));
    const oldIds = before ? parseRoot(before).signed.roles.root.keyids : [];
    const old = this.retired.filter(({ key }) => oldIds.includes(tufKeyId(key)));
    const signers = [...new Set([...root.signers, ...old])];
    this.files.set(metadataPath('root', root.version), signMetadata(this.draftRoot(), signers));
  }

  /** Root signers that were replaced and may still have to sign. */
  readonly retired: Signer[] = [];

  draftRoot() {
    const { root, timestamp, snapshot, targets } = this.roles;
    const describe = ({ signers, threshold }: SimulatedRole) => ({ keys: signers.map(({ key }) => key), threshold });
    return draftRoot({
      version: root.version,
      expires: root.expires,
      roles: {
        root: describe(root),
        timestamp: describe(timestamp),
        snapshot: describe(snapshot),
        targets: describe(targets),
      },
    });
  }

  /** Replaces a role's keys and publishes the next root. */
  rotate(name: keyof Simulator['roles'], signers: Signer[], threshold = this.roles[name].threshold): void {
    if (name === 'root') this.retired.push(...this.roles.root.signers);
    Object.assign(this.roles[name], { signers, threshold });
    this.roles.root.version++;
    this.publishRoot();
  }

  /** Signs everything below the root role as it is now. */
  publish(): void {
    const { targets, live, snapshot, timestamp } = this.roles;
    const isLive = (name: string) => name.startsWith('live.');
    const liveBytes = this.put(
      'live',
      draftTargets({ ...dated(live), files: Object.fromEntries([...this.targets].filter(([name]) => isLive(name))) }),
    );
    const targetsBytes = this.put(
      'targets',
      draftTargets({
        ...dated(targets),
        files: Object.fromEntries([...this.targets].filter(([name]) => !isLive(name))),
        delegations: [
          {
            name: 'live',
            keys: live.signers.map(({ key }) => key),
            threshold: live.threshold,
            paths: ['live.*'],
            ...this.delegation,
          },
        ],
      }),
    );
    const snapshotBytes = this.put(
      'snapshot',
      draftSnapshot({ ...dated(snapshot), roles: { targets: targetsBytes, live: liveBytes } }),
    );
    this.put('timestamp', draftTimestamp({ ...dated(timestamp), snapshot: snapshotBytes }));
    for (const [name, bytes] of this.targets) this.files.set(targetPath(name, describeTarget(bytes)), bytes);
  }

  /** Publishes with the next version of everything online. */
  publishNext(): void {
    for (const name of ['live', 'snapshot', 'timestamp'] as const) this.roles[name].version++;
    this.publish();
  }

  private put(name: keyof Simulator['roles'], signed: Metadata): Uint8Array {
    const path = metadataPath(name, signed.version);
    // An ECDSA signature is another one each time: what has not changed keeps its bytes.
    const signers = this.roles[name].signers.map(({ key }) => tufKeyId(key));
    const draft = [Buffer.from(draftMetadata(signed)).toString(), ...signers].join();
    const known = this.files.get(path);
    if (known && this.drafts.get(path) === draft) return known;
    const bytes = signMetadata(signed, this.roles[name].signers);
    this.files.set(path, bytes);
    this.drafts.set(path, draft);
    return bytes;
  }

  private readonly drafts = new Map<string, string>();
}

export function text(content: string): Uint8Array {
  return new Uint8Array(Buffer.from(content));
}

function role(signers: Signer[], threshold: number): SimulatedRole {
  return { signers, threshold, version: 1, expires: LATER };
}

function dated({ version, expires }: SimulatedRole) {
  return { version, expires };
}
