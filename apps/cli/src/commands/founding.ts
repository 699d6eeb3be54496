import { parseUtf8 } from '@margo-trust/bytes';
import {
  CEREMONY_ROLES,
  type CeremonyPlan,
  type CeremonyRole,
  draftCeremony,
  draftMetadata,
  encodeCeremonySignatures,
  encodePublicKeyPem,
  hashCeremonyPlan,
  OFFLINE_LIFETIME_MS,
  parseCeremonyPlan,
  tufKeyFromSpki,
  tufKeyId,
  tufSignature,
} from '@margo-trust/tuf';
import { type Command, Option } from 'commander';
import { isKeyFile, isUri, openOrMakeKey, openTufKey } from '../ceremony/keys.ts';
import { describePlannedFiles } from '../ceremony/planned-files.ts';
import { unfit } from '../ceremony/sign.ts';
import { sha256, type StepOptions, takeStep } from '../ceremony/transcript.ts';
import type { Run } from '../command.ts';
import { readInput } from '../files.ts';
import { type Outcome, timeText } from '../outcome.ts';
import type { Session } from '../session.ts';
import { readNumber, step } from './ca.ts';
import { runRegistryProgram } from './registry-program.ts';

/** How a registry comes into being in production. What touches its database is a program of the registry, installed with it. */
export function addFounding(program: Command, run: Run): void {
  const founding = program
    .command('founding')
    .description('found a registry in production, with offline keys that were never on its machine');
  founding
    .command('online-keys')
    .description("make the keys that the service signs with, where there are none; needs the registry's environment")
    .action(run(() => runProgram('online-keys')));
  step(founding, 'key')
    .description('make a key of the trust root and write out its public half. No network.')
    .addOption(new Option('--role <role>').choices(CEREMONY_ROLES).makeOptionMandatory())
    .requiredOption('--number <n>', '1, 2 or 3: each belongs to another person', readNumber)
    .requiredOption('--key <place>', 'file, made if there is none, or pkcs11: URI')
    .action(run(makeKey));
  founding
    .command('plan')
    .description("check what the ceremonies have made and write what is to be signed; needs the registry's environment")
    .argument('<directory>', 'with certificates, CRLs and public keys')
    .action(run((_session: Session, directory: string) => runProgram('plan', directory)));
  step(founding, 'sign')
    .description('sign the plan with one key of the trust root. No network.')
    .argument('<plan>', 'founding.json')
    .requiredOption('--key <place>', 'the key: file or pkcs11: URI')
    .action(run(sign));
  founding
    .command('complete')
    .description("found the registry, when enough have signed; needs the registry's environment")
    .argument('<directory>', 'with the plan, what it was made from, and the signatures')
    .action(run((_session: Session, directory: string) => runProgram('complete', directory)));
}

async function runProgram(...args: string[]): Promise<Outcome> {
  const { said, exitCode } = await runRegistryProgram('founding', args);
  return { data: { founding: { said, exitCode } }, lines: said, exitCode };
}

interface KeyOptions extends StepOptions {
  role: CeremonyRole;
  number: number;
  key: string;
}

async function makeKey(session: Session, options: KeyOptions): Promise<Outcome> {
  const name = `tuf-${options.role}-${options.number}`;
  const outputs = [`${name}.pub`];
  const where = isUri(options.key) ? 'in the token' : options.key;
  const facts = {
    ...{ act: 'make a key of the trust root', name, algorithm: 'Ed25519' },
    ...{ key: `${where}${isKeyFile(options.key) ? '' : ', made if missing'}`, files: outputs.join(', ') },
  };
  const perform = async () => {
    const key = await openOrMakeKey(session.io, options.key, 'Ed25519');
    const { spki, algorithm } = key.signer;
    const id = tufKeyId(tufKeyFromSpki(spki));
    return {
      files: { [`${name}.pub`]: encodePublicKeyPem(spki) },
      signed: [],
      keys: [{ name, where: key.where, isNew: key.isNew, algorithm, keyId: id, spkiSha256: sha256(spki) }],
    };
  };
  return takeStep(session, { act: 'key', name, out: options.out, facts, outputs, perform }, options);
}

async function sign(session: Session, path: string, options: StepOptions & { key: string }): Promise<Outcome> {
  const plan = parseCeremonyPlan(await readInput(path, 'plan', 8 << 20));
  const key = await openTufKey(session.io, options.key);
  const tufKey = tufKeyFromSpki(key.signer.spki);
  const { role, number } = placeOf(plan, tufKeyId(tufKey));
  const name = `founding.${role}-${number}`;
  const planSha256 = hashCeremonyPlan(plan);
  const outputs = [`${name}.signature.json`];
  const facts = {
    ...{ act: `sign the first ${role} of the trust root` },
    ...describePlannedFiles(plan.files),
    ...describeRoles(plan),
    ...{ at: timeText(plan.now), 'valid until': timeText(new Date(plan.now.getTime() + OFFLINE_LIFETIME_MS)) },
    ...{
      plan: groupsOf(planSha256),
      'signs with': `key ${role} ${number}, ${tufKeyId(tufKey)}`,
      files: outputs.join(', '),
    },
  };
  const perform = async () => {
    const bytes = draftMetadata(draftCeremony(plan)[role]);
    const signature = tufSignature(tufKey, await key.signer.sign(bytes));
    const file = encodeCeremonySignatures({ planSha256, signatures: { [role]: signature } });
    return {
      files: { [`${name}.signature.json`]: parseUtf8(file) },
      signed: [{ kind: 'metadata', role, plan: planSha256, sha256: sha256(bytes) }],
      keys: [{ name: `tuf-${role}-${number}`, where: key.where, keyId: tufKeyId(tufKey) }],
    };
  };
  return takeStep(session, { act: 'founding', name, out: options.out, facts, outputs, perform }, options);
}

/** Which key of which role it is, counted from 1. */
function placeOf({ roles }: CeremonyPlan, keyId: string): { role: CeremonyRole; number: number } {
  for (const role of CEREMONY_ROLES) {
    const index = roles[role].keys.findIndex((key) => tufKeyId(key) === keyId);
    if (index >= 0) return { role, number: index + 1 };
  }
  throw unfit('The key is none of those that the plan names for root and targets.');
}

function describeRoles({ roles }: CeremonyPlan): Record<string, string> {
  return Object.fromEntries(
    Object.entries(roles).flatMap(([role, { keys, threshold }]) => [
      [`role ${role}`, `${threshold} of ${keys.length}`],
      ...keys.map((key, i) => [`key ${role} ${i + 1}`, tufKeyId(key)] as const),
    ]),
  );
}

/** As people read it to each other, and as `founding plan` prints it. */
function groupsOf(hex: string): string {
  return (hex.match(/.{4}/g) ?? []).join(' ');
}
