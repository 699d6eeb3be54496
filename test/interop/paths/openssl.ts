/** What `openssl verify` says of many paths: hundreds in one process, told apart by names that occur once. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TEST_DAY } from '@margo-trust/testkit';
import { encodePem, OID } from '@margo-trust/x509';
import { client, run, temporaryDirectory } from '../harness.ts';
import type { Chain, Question } from './draft.ts';

export interface Verdict {
  readonly isValid: boolean;
  /** Its own words: the first error, or nothing. */
  readonly words: string;
}

const PER_PROCESS = 200;

/** In the order of the chains. Paths that are asked the same are judged together. */
export async function askOpenssl(chains: readonly Chain[]): Promise<Verdict[]> {
  const folder = await temporaryDirectory();
  try {
    const verdicts: Verdict[] = [];
    const groups = new Map<string, number[]>();
    for (const [i, { question }] of chains.entries()) {
      const key = JSON.stringify(question);
      groups.set(key, [...(groups.get(key) ?? []), i]);
    }
    for (const members of groups.values()) {
      for (let start = 0; start < members.length; start += PER_PROCESS) {
        const batch = members.slice(start, start + PER_PROCESS);
        const said = await verifyBatch(
          folder,
          batch.map((i) => chains[i] as Chain),
        );
        batch.forEach((i, k) => (verdicts[i] = said[k] as Verdict));
      }
    }
    return verdicts;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function verifyBatch(folder: string, chains: readonly Chain[]): Promise<Verdict[]> {
  await mkdir(folder, { recursive: true });
  const save = async (name: string, label: 'CERTIFICATE' | 'X509 CRL', ders: readonly Uint8Array[]) => {
    const path = join(folder, name);
    await writeFile(path, ders.map((der) => encodePem(label, der)).join(''));
    return path;
  };
  const roots = await save(
    'roots.pem',
    'CERTIFICATE',
    chains.map(({ root }) => root),
  );
  const others = await save(
    'others.pem',
    'CERTIFICATE',
    chains.flatMap(({ intermediates }) => intermediates),
  );
  const crls = await save(
    'crls.pem',
    'X509 CRL',
    chains.flatMap((chain) => chain.crls),
  );
  const leaves = await Promise.all(chains.map(({ leaf }, i) => save(`${i}.pem`, 'CERTIFICATE', [leaf])));
  const [question] = chains.map((chain) => chain.question);
  const { output } = await run(client('openssl'), [
    ...['verify', '-attime', `${TEST_DAY.getTime() / 1000}`, '-auth_level', '2'],
    ...['-no-CApath', '-no-CAstore', '-CAfile', roots, '-untrusted', others],
    ...(question?.crls ? ['-crl_check_all', '-extended_crl', '-CRLfile', crls] : []),
    ...flagsOf(question),
    ...leaves,
  ]);
  return leaves.map((path) => verdictOn(path, output));
}

function flagsOf(question: Question | undefined): string[] {
  const { requireExplicit, inhibitMapping, inhibitAny, initial = [OID.anyPolicy] } = question?.policies ?? {};
  return [
    '-policy_check',
    ...(question?.eku ? ['-purpose', 'sslclient'] : []),
    ...(requireExplicit ? ['-explicit_policy'] : []),
    ...(inhibitMapping ? ['-inhibit_map'] : []),
    ...(inhibitAny ? ['-inhibit_any'] : []),
    ...initial.flatMap((policy) => ['-policy', policy]),
  ];
}

/** `PATH: OK`, or `error PATH: verification failed` after the reasons, or `Could not read … from PATH`. */
function verdictOn(path: string, output: string): Verdict {
  if (output.includes(`${path}: OK\n`)) return { isValid: true, words: '' };
  const end = output.indexOf(`error ${path}: verification failed`);
  if (end < 0) return { isValid: false, words: output.includes(path) ? 'cannot be read' : 'says nothing' };
  const before = output.slice(0, end).split('\n');
  const last = before.findLastIndex((line) => /: OK$|verification failed$/.test(line));
  const reason = before.slice(last + 1).find((line) => /^error \d+ at \d+ depth lookup/.test(line));
  return { isValid: false, words: reason ?? 'verification failed' };
}
