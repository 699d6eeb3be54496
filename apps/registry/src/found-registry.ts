import { type INestApplicationContext, Logger } from '@nestjs/common';
import { areEqualBytes } from '@margo-trust/bytes';
import { CertificateReader } from './certificates/certificate.reader.ts';
import { CreateAuthorities } from './certificates/create-authorities.ts';
import { Clock } from './clock.ts';
import { Config } from './config.ts';
import { Db, type Tx } from './db/db.ts';
import { found, planCeremony } from './founding/founding.ts';
import { findFoundedDomain, lockGenesis } from './genesis.store.ts';
import { KeyRing } from './keys/key-ring.ts';
import { authoritySlot, ML_DSA_KEY_FILE } from './keys/slots.ts';
import { LogKeys } from './log/keys/log-keys.ts';
import { RestoreLogKeys } from './log/keys/restore-log-keys.ts';
import { LogIdentity } from './log/log-identity.ts';
import { RunningLogs } from './log/running-logs.ts';
import { ServedLog } from './log/served-log.ts';
import { IssueCrl } from './revocation/issue-crl.ts';
import { StartError } from './start-error.ts';
import { PerformCeremony } from './trust-root/perform-ceremony.ts';
import { PublishTrustRoot } from './trust-root/publish-trust-root.ts';
import { wholeSeconds } from './wire-time.ts';

/**
 * Makes a registry out of an empty database: certificates, log and ceremony in one transaction, then the CRLs and the first
 * publication. In development only, where all keys are at hand; in production people do it (founding/run-founding.ts), while no
 * service runs, so an empty database is refused there: all that could be said about it is 503, and it may well be the wrong one.
 * Refuses a database that was founded for another domain or with other keys, in every mode.
 */
export async function foundRegistry(app: INestApplicationContext): Promise<void> {
  const config = app.get(Config);
  await app.get(Db).transaction(async (tx) => {
    await lockGenesis(tx);
    const domain = await findFoundedDomain(tx);
    if (domain !== undefined) {
      refuseOtherDomain(domain, config);
      await refuseOtherKeys(app, tx);
      for (const { log, app: one } of [{ log: app.get(ServedLog), app }, ...app.get(RunningLogs).served]) {
        await app.get(RestoreLogKeys).run(tx, log);
        await one.get(LogKeys).refresh(tx);
      }
      refuseMissingKeys(app, config);
      return sayIdleKeys(app, config);
    }
    if (config.mode === 'production') throw new StartError(NOT_FOUNDED);
    await foundWithOwnKeys(app, tx);
  });

  await app.get(LogKeys).refresh();

  // A crash before this leaves a registry without CRLs or timestamp role, and the work still due. It cannot be part of the
  // transaction: a checkpoint may be signed only when what it vouches for is committed, and hundreds of CRLs take longer to sign
  // than anybody may hold the log. Later publications are the worker's:
  // a database that cannot be written to just now is served all the same.
  if (config.mode !== 'development') return;
  const publish = app.get(PublishTrustRoot);
  if (!(await publish.isFirstDue())) return;
  await app.get(IssueCrl).run();
  await publish.run();
}

const NOT_FOUNDED =
  'The registry in this database was never founded, so there is nothing to serve. Found it with `margo-trust founding`, as ' +
  'docs/operations/founding.md says, and then start the service; or set DATABASE_URL to the registry that there is. (log/not-open)';

/** As in production, except that what ceremonies make elsewhere is made here first. */
async function foundWithOwnKeys(app: INestApplicationContext, tx: Tx): Promise<void> {
  const authorities = await app.get(CreateAuthorities).run();
  const ceremony = app.get(PerformCeremony);
  const plan = planCeremony(app, authorities, ceremony.publicKeys(), wholeSeconds(app.get(Clock).now()));
  await found(app, tx, { authorities, crls: [], plan, signatures: await ceremony.run(plan) });
}

function refuseOtherDomain(founded: string, { domain }: Config): void {
  if (founded === domain) return;
  throw new StartError(
    `This database is the registry of ${founded}; REGISTRY_DOMAIN says ${domain}. Certificates and log carry the name, ` +
      `so it cannot change: set REGISTRY_DOMAIN=${founded}, or begin anew with another DATA_DIR or DATABASE_URL.`,
  );
}

/** Missing in sets of earlier versions, or left behind by a key that was replaced: say so now, not at the first signature. */
function refuseMissingKeys(app: INestApplicationContext, { keysDirectory }: Config): void {
  const purpose = app.get(LogIdentity).findMissing();
  if (purpose !== undefined) {
    throw new StartError(`${keysDirectory} does not hold the ${purpose} key that the log signs with: put it back.`);
  }
  for (const { log, purpose: missing } of app.get(RunningLogs).missingKeys()) {
    const folder = `${keysDirectory}/logs/${log.name}`;
    throw new StartError(`${folder} does not hold the ${missing} key that ${log.origin} signs with: put it back.`);
  }
}

/** A log signs with no key that it does not name; all but this one are needed, and so named. */
function sayIdleKeys(app: INestApplicationContext, { keysDirectory }: Config): void {
  if (!app.get(LogIdentity).hasIdleMlDsa44) return;
  new Logger('foundRegistry').warn(
    `${keysDirectory} holds ${ML_DSA_KEY_FILE}, which the log does not name and so does not sign with: see docs/operations/log-keys.md.`,
  );
}

/** What the registry signs with is what its certificates certify: new keys would sign for nobody. */
async function refuseOtherKeys(app: INestApplicationContext, tx: Tx): Promise<void> {
  for (const { name, role, state, certificate } of await app.get(CertificateReader).authorities(tx)) {
    const signs = role === 'issuing' ? state !== 'retired' : role === 'tsa' && state === 'active';
    if (!signs || areEqualBytes(app.get(KeyRing).load(authoritySlot(name)).spki, certificate.spki)) continue;
    throw new StartError(
      `The keys in ${app.get(Config).keysDirectory} are not those that this database's registry was founded with. ` +
        'Set DATA_DIR or KEYS_DIR to where they are, or begin anew with another DATABASE_URL.',
    );
  }
}
