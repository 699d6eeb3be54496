import { artifactFinder, collectEvidence, loadTrustRoot, proofFinder } from '@margo-trust/client';
import { encodeEvidenceBundle, verifyEvidenceBundle, type Verdict } from '@margo-trust/verifier';
import type { Command } from 'commander';
import type { Run } from '../command.ts';
import { parseDuration } from '../duration.ts';
import { readEvidence, writeOutput } from '../files.ts';
import { judgeBundle } from '../judge-bundle.ts';
import { factLines, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';
import { openArtifact } from '../target.ts';
import { withTrustRoot, readInitialRoot } from '../trust-root.ts';
import { applyPolicy, verdictOutcome } from '../verdict-outcome.ts';
import { witnessOptions } from '../witness-options.ts';

export function addBundle(program: Command, run: Run): void {
  const bundle = program
    .command('bundle')
    .description('evidence bundles: all that decides about one application, in one file');
  bundle
    .command('create')
    .description('collect the evidence of an application that is signed with --release')
    .argument('<package>', 'registry/repository:tag, or an image layout with :tag or @sha256:…')
    .requiredOption('--output <file>', 'where it goes')
    .option('--offline', 'take the trust root as it is, and ask no network')
    .option('--root <file>', 'initial root; default: the one that the trust root began with')
    .action(run(create));
  bundle
    .command('verify')
    .description('decide about an application by its bundle alone; asks no network')
    .argument('<bundle>', 'the file')
    .option('--root <file>', 'initial root; default: the trust root of this machine decides')
    .option('--artifact <digest>', 'demand that the release pins this artifact')
    .option('--vendor <vendor>', 'demand this vendor: id or URI')
    .option('--max-age <time>', 'demand revocations not older than this: 90m, 24h, 7d', parseDuration)
    .option('--require-witnesses', 'demand that enough witnesses have seen what was logged')
    .action(run(verify));
}

async function create(
  session: Session,
  artifact: string,
  { output, offline = false, root }: { output: string; offline?: boolean; root?: string },
): Promise<Outcome> {
  const { place, descriptor } = await openArtifact(artifact, { ...session.registryOptions, offline });
  const find = artifactFinder(place, session.registryOptions);
  const evidence = await withTrustRoot(session, { offline, root }, async (trustRoot) => {
    session.printer.progress('collecting evidence');
    return collectEvidence({
      place,
      packageDigest: descriptor.digest,
      find,
      trustRoot,
      witnesses: witnessOptions(),
      ...(!offline && { findProof: proofFinder(await session.registryUrl()) }),
    });
  });
  const bytes = encodeEvidenceBundle(evidence.bundle);
  await writeOutput(output, bytes);
  const { verdict, findings, bundle } = evidence;
  const release = `${verdict.release?.applicationId} ${verdict.release?.version}`;
  const facts = { bundle: output, release, artifacts: bundle.artifacts.length, bytes: bytes.length };
  const data = { output, release: verdict.release, artifacts: bundle.artifacts.length, bytes: bytes.length, findings };
  return { data, lines: [...factLines(facts), ...findings.map((finding) => `note: ${finding}`)] };
}

interface VerifyOptions {
  requireWitnesses?: boolean;
  root?: string;
  artifact?: string;
  vendor?: string;
  maxAge?: number;
}

async function verify(session: Session, file: string, options: VerifyOptions): Promise<Outcome> {
  const bytes = await readEvidence(file, 'bundle');
  const now = session.io.now();
  const verdict = applyPolicy(
    await judge(session, bytes, options, now),
    {
      ...(options.vendor !== undefined && { vendor: options.vendor }),
      ...(options.maxAge !== undefined && { maxAgeSeconds: options.maxAge }),
    },
    now,
  );
  return verdictOutcome(file, verdict);
}

async function judge(session: Session, bytes: Uint8Array, options: VerifyOptions, now: Date): Promise<Verdict> {
  const wanted = {
    now,
    ...witnessOptions(options),
    ...(options.artifact !== undefined && { artifact: options.artifact }),
  };
  if (options.root === undefined) {
    return judgeBundle(bytes, await loadTrustRoot(session.trustRootDirectory, { now }), wanted);
  }
  return verifyEvidenceBundle(bytes, { ...wanted, initialRoot: await readInitialRoot(options.root) });
}
