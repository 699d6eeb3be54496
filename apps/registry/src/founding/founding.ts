import type { INestApplicationContext } from '@nestjs/common';
import {
  assembleCeremony,
  type CeremonyPlan,
  type CeremonyRole,
  type CeremonySignatures,
  type TufKey,
  tufKeyFromSpki,
} from '@margo-trust/tuf';
import type { Authority } from '../certificates/certificate.reader.ts';
import { KeepAuthorities } from '../certificates/keep-authorities.ts';
import { Clock } from '../clock.ts';
import { Config } from '../config.ts';
import type { Tx } from '../db/db.ts';
import { insertGenesis } from '../genesis.store.ts';
import { KeyRing } from '../keys/key-ring.ts';
import type { KeySlot } from '../keys/slots.ts';
import { describeTrustRoot } from '../log/describe-trust-root.ts';
import { LogIdentity } from '../log/log-identity.ts';
import { OpenLog } from '../log/open-log.ts';
import { RollbackLatch } from '../log/rollback/rollback-latch.ts';
import { type GivenCrl, KeepCrls } from '../revocation/keep-crls.ts';
import { StartError } from '../start-error.ts';
import { encodeGrantedTargets } from '../trust-root/granted-targets.ts';
import { THRESHOLD } from '../trust-root/perform-ceremony.ts';
import { PublishCeremony } from '../trust-root/publish-ceremony.ts';

/** All that a registry is founded with besides its online keys. */
export interface Founding {
  readonly authorities: readonly Authority[];
  /** Of CAs whose key is elsewhere. */
  readonly crls: readonly GivenCrl[];
  readonly plan: CeremonyPlan;
  readonly signatures: readonly CeremonySignatures[];
}

/**
 * What the first ceremony has to sign, for these authorities, these public keys of the offline roles, and the online keys and settings
 * that this process has. The same at every call: a plan made here earlier is derived again, and must be equal.
 */
export function planCeremony(
  app: INestApplicationContext,
  authorities: readonly Authority[],
  offline: Readonly<Record<CeremonyRole, readonly TufKey[]>>,
  now: Date,
): CeremonyPlan {
  const online = (slot: KeySlot) => ({ keys: [tufKeyFromSpki(app.get(KeyRing).load(slot).spki)], threshold: 1 });
  return {
    roles: {
      root: { keys: offline.root, threshold: THRESHOLD },
      targets: { keys: offline.targets, threshold: THRESHOLD },
      live: online('tuf-live'),
      snapshot: online('tuf-snapshot'),
      timestamp: online('tuf-timestamp'),
    },
    files: encodeGrantedTargets(describeFirst(app, authorities), authorities),
    now,
  };
}

/**
 * Founds: authorities, log and trust root, in the caller's transaction under `lockGenesis`. The ceremony must be signed as devices
 * demand it. CRLs of leaves and the first publication are the worker's.
 */
export async function found(
  app: INestApplicationContext,
  tx: Tx,
  { authorities, crls, plan, signatures }: Founding,
): Promise<void> {
  const { domain, keysDirectory } = app.get(Config);
  const complaint = app.get(RollbackLatch).complaint();
  if (complaint !== undefined) {
    throw new StartError(
      `${complaint} Restore the database, or, to begin anew, do so with new keys: without ${keysDirectory} and DATA_DIR.`,
    );
  }
  await insertGenesis(tx, domain, app.get(Clock).now());
  await app.get(KeepAuthorities).run(tx, authorities);
  await app.get(OpenLog).run(tx, describeFirst(app, authorities));
  await app.get(PublishCeremony).run(tx, { ...assembleCeremony(plan, signatures), files: plan.files });
  await app.get(KeepCrls).run(tx, crls);
}

/** The trust root document of a registry with one log and nobody's decisions yet. */
function describeFirst(app: INestApplicationContext, authorities: readonly Authority[]): object {
  const { domain, witnessing } = app.get(Config);
  return describeTrustRoot(domain, authorities, [{ identity: app.get(LogIdentity) }], witnessing?.demand ?? 'reported');
}
