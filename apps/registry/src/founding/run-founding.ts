import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { areEqualBytes } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import {
  assembleCeremony,
  type CeremonyPlan,
  encodeCeremonyPlan,
  hashCeremonyPlan,
  OFFLINE_LIFETIME_MS,
  parseCeremonyPlan,
  tufKeyId,
} from '@margo-trust/tuf';
import type { INestApplicationContext } from '@nestjs/common';
import { Clock } from '../clock.ts';
import { Config, ConfigError, readConfig } from '../config.ts';
import { Db, type Tx } from '../db/db.ts';
import { findFoundedDomain, lockGenesis } from '../genesis.store.ts';
import { createOnlineKeys } from '../keys/online-keys.ts';
import { KeyRing } from '../keys/key-ring.ts';
import { authoritySlot } from '../keys/slots.ts';
import { openRegistry } from '../maintenance/open-registry.ts';
import { StartError } from '../start-error.ts';
import { makeStateDirectory } from '../state-directory.ts';
import { wholeSeconds, wireTime } from '../wire-time.ts';
import { found, planCeremony } from './founding.ts';
import { type CeremonyFiles, PLAN_FILE, readBytes, readCeremony, readSignatures } from './read-ceremony.ts';

/** Version 1 of the root role, which devices are given out of band; the service publishes it too. */
const INITIAL_ROOT_FILE = 'root.json';

const USAGE = `Usage:
  margo-trust founding online-keys
  margo-trust founding plan DIRECTORY
  margo-trust founding complete DIRECTORY
With the environment of the registry that is to be founded. No service may run on its database.`;

/**
 * `founding`: makes a registry out of an empty database with keys of ceremonies that were held elsewhere. Returns the exit code: 0, 1 when
 * it was refused, 2 for a wrong command line.
 */
export async function runFounding(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<number> {
  const [command = '', directory, ...more] = readArgs(args);
  const known = command === 'online-keys' ? directory === undefined : ['plan', 'complete'].includes(command);
  if (!known || (command !== 'online-keys' && directory === undefined) || more.length > 0) {
    say(USAGE);
    return 2;
  }
  try {
    const { config, secrets } = readConfig(env);
    if (config.mode !== 'production') {
      throw new StartError('Set MODE=production: in development the service founds itself when it starts.');
    }
    if (directory === undefined) {
      for (const file of createOnlineKeys(config.keysDirectory, secrets.keysPassphrase)) say(`made: ${file}`);
      return 0;
    }
    await makeStateDirectory(config.dataDirectory);
    const { app, close } = await openRegistry(env);
    try {
      await (command === 'plan' ? plan(app, directory, say) : complete(app, directory, say));
    } finally {
      await close();
    }
    return 0;
  } catch (error) {
    if (error instanceof Fault) say(`${error.message} (${error.code})`);
    else if (error instanceof StartError || error instanceof ConfigError) say(error.message);
    else throw error;
    return 1;
  }
}

function readArgs(args: readonly string[]): string[] {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: {} }).positionals;
  } catch {
    return [];
  }
}

async function plan(app: INestApplicationContext, directory: string, say: (line: string) => void): Promise<void> {
  await app.get(Db).transaction((tx) => refuseFounded(tx));
  const now = wholeSeconds(app.get(Clock).now());
  const { made, files } = derive(app, directory, now);
  const path = join(directory, PLAN_FILE);
  try {
    writeFileSync(path, encodeCeremonyPlan(made), { flag: 'wx', flush: true });
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new StartError(`${path} cannot be written (${reason}). A plan is never written over.`, { cause });
  }
  for (const line of describe(app.get(Config), made, files)) say(line);
  say(`written: ${path}`);
}

async function complete(app: INestApplicationContext, directory: string, say: (line: string) => void): Promise<void> {
  const bytes = readBytes(directory, PLAN_FILE);
  const given = parseCeremonyPlan(bytes);
  const now = app.get(Clock).now();
  if (given.now > now) throw new StartError(`The plan is of ${wireTime(given.now)}, which has not come yet.`);
  if (given.now.getTime() + OFFLINE_LIFETIME_MS <= now.getTime()) {
    throw new StartError(`The plan is of ${wireTime(given.now)}, and what was signed has expired. Make a new one.`);
  }
  const { made, files } = derive(app, directory, given.now);
  if (!areEqualBytes(encodeCeremonyPlan(made), bytes)) throw new StartError(describeDifference(given, made));
  const signatures = readSignatures(directory);
  if (signatures.some(({ planSha256 }) => planSha256 !== hashCeremonyPlan(made))) {
    throw new StartError('A signature is of another plan. Take it out of the directory.');
  }
  await app.get(Db).transaction(async (tx) => {
    await refuseFounded(tx);
    await found(app, tx, { ...files, plan: made, signatures });
  });
  for (const line of describe(app.get(Config), made, files)) say(line);
  const initial = join(directory, INITIAL_ROOT_FILE);
  writeFileSync(initial, assembleCeremony(made, signatures).root);
  say(`written: ${initial}, the initial root of devices`);
  say('founded: the service can be started');
}

/** The plan that certificates, keys and settings lead to, as of then. */
function derive(
  app: INestApplicationContext,
  directory: string,
  now: Date,
): { made: CeremonyPlan; files: CeremonyFiles } {
  const files = readCeremony(directory, app.get(Config), now);
  refuseOtherKeys(app, files);
  return { made: planCeremony(app, files.authorities, files.offline, now), files };
}

/** What signs with the service must be what was certified. */
function refuseOtherKeys(app: INestApplicationContext, { authorities }: CeremonyFiles): void {
  for (const { name, role, certificate } of authorities) {
    if (role !== 'issuing' && role !== 'tsa') continue;
    if (areEqualBytes(app.get(KeyRing).load(authoritySlot(name)).spki, certificate.spki)) continue;
    throw new StartError(
      `${name}.crt certifies another key than ${authoritySlot(name)} in ${app.get(Config).keysDirectory}.`,
    );
  }
}

/** Under the lock of founders, until the transaction ends. */
async function refuseFounded(tx: Tx): Promise<void> {
  await lockGenesis(tx);
  const domain = await findFoundedDomain(tx);
  if (domain !== undefined) throw new StartError(`This database is the registry of ${domain} already.`);
}

/** Which part the operator has to look at. */
function describeDifference(given: CeremonyPlan, made: CeremonyPlan): string {
  const same = (role: keyof CeremonyPlan['roles'], [before, after] = [given.roles[role], made.roles[role]]) =>
    before.threshold === after.threshold && before.keys.map(tufKeyId).join() === after.keys.map(tufKeyId).join();
  const roles = (Object.keys(made.roles) as (keyof CeremonyPlan['roles'])[]).filter((role) => !same(role));
  const names = [...new Set([...Object.keys(given.files), ...Object.keys(made.files)])].filter((name) => {
    const [before, after] = [given.files[name], made.files[name]];
    return before === undefined || after === undefined || !areEqualBytes(before, after);
  });
  const parts = [...roles.map((role) => `the keys of ${role}`), ...names];
  return `The plan was made for other certificates, keys or settings than are here: ${parts.join(', ')} would be different. Nothing was founded.`;
}

function describe({ domain }: Config, plan: CeremonyPlan, { authorities }: CeremonyFiles): string[] {
  return [
    `registry: ${domain}`,
    ...authorities.map(
      ({ name, certificate }) => `${name}: ${certificate.subjectText}, SHA-256 ${certificate.fingerprint}`,
    ),
    ...(['root', 'targets'] as const).map(
      (role) => `keys of ${role}: ${plan.roles[role].threshold} of ${plan.roles[role].keys.map(tufKeyId).join(' ')}`,
    ),
    `plan: ${groupsOf(hashCeremonyPlan(plan))}`,
  ];
}

/** As people read it to each other, and as `founding sign` shows it. */
function groupsOf(hex: string): string {
  return (hex.match(/.{4}/g) ?? []).join(' ');
}
