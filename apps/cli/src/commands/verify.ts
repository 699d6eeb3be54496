import {
  artifactFinder,
  collectEvidence,
  EvidenceFault,
  ClientFault,
  findApplicationId,
  findReleases,
  judgeInPlace,
  lendProof,
  proofFinder,
  type ProofFinder,
} from '@margo-trust/client';
import { Fault } from '@margo-trust/fault';
import { MEDIA } from '@margo-trust/margo';
import { OciFault } from '@margo-trust/oci';
import { CONTENT, parseStatement, parseTargetArtifact } from '@margo-trust/statement';
import type { TufSnapshot } from '@margo-trust/tuf';
import { adviceFor, parseTrustRoot, Verifier, type Verdict } from '@margo-trust/verifier';
import type { Command } from 'commander';
import type { Run } from '../command.ts';
import { parseDuration } from '../duration.ts';
import { CliFault } from '../fault.ts';
import { readEvidence, readInput } from '../files.ts';
import { judgeBundle } from '../judge-bundle.ts';
import type { Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';
import { openTarget, type ArtifactTarget } from '../target.ts';
import { withTrustRoot } from '../trust-root.ts';
import { applyPolicy, refusal, verdictOutcome } from '../verdict-outcome.ts';
import { witnessOptions } from '../witness-options.ts';

export function addVerify(program: Command, run: Run): void {
  program
    .command('verify')
    .description('decide whether an artifact is to be trusted')
    .argument('<artifact>', 'registry/repository:tag, an image layout, an evidence bundle, or a statement')
    .option('--offline', 'take the trust root as it is, and ask no network')
    .option('--root <file>', 'initial root; default: the one that the trust root began with')
    .option('--release', 'of an Application Package: demand a release, and judge all that it pins')
    .option('--vendor <vendor>', 'demand this vendor: id or URI')
    .option('--max-age <time>', 'demand revocations not older than this: 90m, 24h, 7d', parseDuration)
    .option('--require-witnesses', 'demand that enough witnesses have seen the entry in the log')
    .option('--proof <file...>', 'tlog-proofs of the entries; with a network the registry is asked for them')
    .action(run(verify));
}

interface VerifyOptions {
  offline?: boolean;
  root?: string;
  release?: boolean;
  vendor?: string;
  maxAge?: number;
  requireWitnesses?: boolean;
  proof?: readonly string[];
}

/** What every judgement of this command rests on. */
interface Basis {
  readonly session: Session;
  readonly snapshot: TufSnapshot;
  readonly verifier: Verifier;
  readonly options: VerifyOptions;
  readonly findProof?: ProofFinder;
}

async function verify(session: Session, text: string, options: VerifyOptions): Promise<Outcome> {
  const offline = options.offline ?? false;
  const target = await openTarget(text, { ...session.registryOptions, offline });
  const judge = async (snapshot: TufSnapshot): Promise<Judged> => {
    session.printer.progress(`verifying ${text}`);
    const verifier = new Verifier(parseTrustRoot(snapshot), witnessOptions(options));
    for (const path of options.proof ?? []) verifier.addProof(await readInput(path, 'proof', 256 << 10));
    const findProof = offline ? undefined : proofFinder(await session.registryUrl());
    const basis = { session, snapshot, verifier, options, ...(findProof && { findProof }) };
    return target.kind === 'file'
      ? { verdict: await judgeFile(basis, target.path) }
      : await judgeArtifact(basis, target);
  };
  const { verdict, notes = [] } = await withTrustRoot(session, { offline, root: options.root }, judge);
  const policy = {
    ...(options.vendor !== undefined && { vendor: options.vendor }),
    ...(options.maxAge !== undefined && { maxAgeSeconds: options.maxAge }),
  };
  return verdictOutcome(text, applyPolicy(verdict, policy, session.io.now()), notes);
}

interface Judged {
  readonly verdict: Verdict;
  readonly notes?: readonly string[];
}

async function judgeArtifact(basis: Basis, target: ArtifactTarget): Promise<Judged> {
  const { place, descriptor } = target;
  const { verifier, findProof } = basis;
  const { verdict } = await judgeInPlace(place, descriptor, verifier, findProof);
  if (!verdict.trusted) return { verdict };
  if (basis.options.release === true) return judgeRelease(basis, target, verdict);
  if (descriptor.artifactType !== MEDIA.app) return { verdict };

  const releases = await findReleases(place, descriptor.digest);
  const applicationId = await findApplicationId(place, await place.loadManifest(descriptor));
  for (const { statement } of releases) await lendProof(verifier, statement, findProof);
  const held = { ...(applicationId !== undefined && { applicationId }) };
  const good = releases.map(({ statement }) => verifier.verifyRelease(statement, held)).find(({ trusted }) => trusted);
  if (good?.trusted && good.release) return { verdict: { ...verdict, release: good.release } };
  return { verdict, notes: ['No release that counts is stored beside the package: its components are not covered.'] };
}

/** Collecting the evidence judges everything that a release pins. */
async function judgeRelease(
  { session, snapshot: trustRoot, findProof, options }: Basis,
  { place, descriptor }: ArtifactTarget,
  judged: Extract<Verdict, { trusted: true }>,
): Promise<Judged> {
  const find = artifactFinder(place, session.registryOptions);
  try {
    const { verdict, findings } = await collectEvidence({
      place,
      packageDigest: descriptor.digest,
      find,
      trustRoot,
      witnesses: witnessOptions(options),
      ...(findProof && { findProof }),
    });
    return { verdict: { ...judged, ...(verdict.release && { release: verdict.release }) }, notes: findings };
  } catch (error) {
    if (error instanceof ClientFault && error.code === 'client/no-release') {
      const advice = 'Ask the vendor for a release, or verify its parts one by one.';
      return { verdict: refusal(judged, new CliFault('policy/no-release', error.message, advice)) };
    }
    if (!(error instanceof EvidenceFault) && !(error instanceof OciFault && error.code === 'oci/not-found'))
      throw error;
    return { verdict: refused(error, judged) };
  }
}

async function judgeFile({ session, snapshot, verifier, options, findProof }: Basis, path: string): Promise<Verdict> {
  const bytes = await readEvidence(path, 'file');
  if (bytes[0] === OPENING_BRACE) {
    return judgeBundle(bytes, snapshot, { now: session.io.now(), ...witnessOptions(options) });
  }
  await lendProof(verifier, bytes, findProof);
  try {
    const { contentType, payload } = parseStatement(bytes);
    if (contentType !== CONTENT.artifact) return verifier.verifyRelease(bytes);
    return verifier.verifyArtifact(parseTargetArtifact(payload), [bytes]);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { code, message } = error;
    return {
      trusted: false,
      code,
      reason: `The file is no signed statement: ${message}`,
      advice: adviceFor(code),
      checks: [],
    };
  }
}

function refused(
  { code, message: reason }: Fault,
  { checks, freshness }: Extract<Verdict, { trusted: true }>,
): Verdict {
  return { trusted: false, code, reason, advice: adviceFor(code), checks, freshness };
}

const OPENING_BRACE = 0x7b;
