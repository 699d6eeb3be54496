import {
  draftRoot,
  draftTargets,
  type RoleDescription,
  type RootMetadata,
  type TargetsMetadata,
  type TopLevelRole,
} from '@margo-trust/tuf';

export interface CeremonyPlan {
  /** Public keys and thresholds; those of `live` are delegated to by the targets role. */
  readonly roles: Readonly<Record<TopLevelRole | 'live', RoleDescription>>;
  /** What grants trust, by target name. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** In whole seconds. */
  readonly now: Date;
}

/** The signed parts of the first ceremony, for whoever holds the keys of the root and the targets role. */
export interface CeremonyDraft {
  readonly root: RootMetadata;
  readonly targets: TargetsMetadata;
}

/**
 * What a ceremony has to sign, made of public keys and files alone: the keys may be on another machine.
 *
 * Both roles last a year: long enough to get people into a room, short enough that they have done it before.
 */
export function draftCeremony({ roles: { live, ...roles }, files, now }: CeremonyPlan): CeremonyDraft {
  const dated = { version: 1, expires: new Date(now.getTime() + OFFLINE_LIFETIME_MS) };
  return {
    root: draftRoot({ ...dated, roles }),
    targets: draftTargets({ ...dated, files, delegations: [{ name: 'live', paths: ['live.*'], ...live }] }),
  };
}

/** Of the root and the targets role. */
export const OFFLINE_LIFETIME_MS = 365 * 24 * 3_600_000;
