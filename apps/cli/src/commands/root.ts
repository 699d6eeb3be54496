import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { loadTrustRoot, openTrustRootSource, updateTrustRoot } from '@margo-trust/client';
import type { TufSnapshot } from '@margo-trust/tuf';
import { parseTrustRoot } from '@margo-trust/verifier';
import type { Command } from 'commander';
import type { Run } from '../command.ts';
import { CliFault } from '../fault.ts';
import { writeOutput } from '../files.ts';
import { factLines, timeText, type Outcome } from '../outcome.ts';
import { collectNotationConfig, notationTargets } from '../notation-config.ts';
import { collectNotationCrls } from '../notation-crls.ts';
import type { Session } from '../session.ts';
import { encodeSigstoreFiles } from '../sigstore-files.ts';
import { readInitialRoot, readVendorId, targetsOfVendors, withTrustRoot } from '../trust-root.ts';

export function addRoot(program: Command, run: Run): void {
  const root = program.command('root').description('the trust root: whom this machine believes');
  root
    .command('init')
    .description('begin a trust root from an initial root that you got from somewhere safe')
    .option('--root <file>', 'the initial root')
    .option('--fingerprint <sha256>', 'take the registry’s first root if its SHA-256 is this')
    .option('--trust-first-use', 'take the registry’s first root unseen: to try things out, never on a device')
    .option('--source <place>', 'repository or mirror: a URL or a directory (default: the registry)')
    .option('--vendor [vendor...]', 'hold what judging these vendors takes, and others once they are met; no mirror')
    .action(run(init));
  root
    .command('update')
    .description('bring the trust root up to date')
    .option('--source <place>', 'repository or mirror: a URL or a directory (default: the registry)')
    .option('--vendor <vendor...>', 'these vendors too, where the trust root does not hold everything: id or URI')
    .option('--everything', 'hold everything from now on, as a mirror does')
    .action(run(update));
  root
    .command('export')
    .description('write what other tools verify with')
    .option(
      '--sigstore <directory>',
      'for cosign and its relatives: trusted_root.json, signing_config.v0.2.json; asks no network',
    )
    .option('--notation <directory>', 'for notation: its trust stores and its trust policy')
    .option(
      '--notation-crls <directory>',
      'for notation on machines without network: its CRL cache, good for 30 days, from the registry',
    )
    .action(run(exportRoot));
  root.command('show').description('what the trust root holds; asks no network').action(run(show));
}

interface InitOptions {
  root?: string;
  fingerprint?: string;
  trustFirstUse?: boolean;
  source?: string;
  /** True without a value. */
  vendor?: readonly string[] | true;
}

async function init(session: Session, options: InitOptions): Promise<Outcome> {
  const source = await sourceOf(session, options.source);
  const initialRoot = await chooseInitialRoot(source, options);
  const vendors = options.vendor === true ? [] : options.vendor;
  return refresh(session, { source, initialRoot, ...(vendors && { vendors }) });
}

interface UpdateOptions {
  source?: string;
  vendor?: readonly string[];
  everything?: boolean;
}

async function update(session: Session, { source, vendor: vendors, everything }: UpdateOptions): Promise<Outcome> {
  return refresh(session, {
    source: await sourceOf(session, source),
    ...(vendors && { vendors }),
    ...(everything === true && { everything }),
  });
}

async function show(session: Session): Promise<Outcome> {
  const directory = session.trustRootDirectory;
  return describe(directory, await loadTrustRoot(directory, { now: session.io.now() }));
}

interface ExportOptions {
  sigstore?: string;
  notation?: string;
  notationCrls?: string;
}

async function exportRoot(session: Session, { sigstore, notation, notationCrls }: ExportOptions): Promise<Outcome> {
  if (sigstore === undefined && notation === undefined && notationCrls === undefined) {
    const advice = 'Give --sigstore, --notation or --notation-crls.';
    throw new CliFault('cli/bad-usage', 'Nothing is to be written.', advice);
  }
  const { now } = session.io;
  const snapshot = await loadTrustRoot(session.trustRootDirectory, { now: now() });
  const paths: string[] = [];
  const write = async (directory: string, files: Iterable<readonly [string, string | Uint8Array]>): Promise<void> => {
    for (const [name, content] of files) {
      await writeOutput(join(directory, name), content);
      paths.push(join(directory, name));
    }
  };
  if (sigstore !== undefined) {
    const registry = await session.registryUrl();
    await write(sigstore, Object.entries(encodeSigstoreFiles(parseTrustRoot(snapshot), registry)));
  }
  if (notation !== undefined) await write(notation, await notationConfig(session, snapshot));
  const inDetail = paths.map((path) => `written: ${path}`);
  if (notationCrls === undefined) return { data: { files: paths }, lines: inDetail };

  const registry = await session.registryUrl();
  const progress = (text: string): void => session.printer.progress(text);
  const crls = await withTrustRoot(session, { offline: false }, (current) =>
    collectNotationCrls(current, { registry, now: now(), progress }),
  );
  await write(notationCrls, crls);
  return {
    data: { files: paths },
    lines: [...inDetail, `written: ${crls.size} CRLs below ${join(notationCrls, 'crl')}`],
  };
}

/** Asks the network only where the trust root does not hold the files. */
function notationConfig(session: Session, snapshot: TufSnapshot): Promise<Map<string, Uint8Array>> {
  const collect = (held: TufSnapshot) => Promise.resolve(collectNotationConfig(held));
  const isHeld = notationTargets(snapshot).every((name) => Object.hasOwn(snapshot.set.files, name));
  return isHeld ? collect(snapshot) : withTrustRoot(session, { offline: false }, collect);
}

interface Refresh {
  readonly source: string;
  readonly initialRoot?: Uint8Array;
  readonly vendors?: readonly string[];
  readonly everything?: boolean;
}

async function refresh(session: Session, { source, initialRoot, vendors, everything }: Refresh): Promise<Outcome> {
  const directory = session.trustRootDirectory;
  const keep = everything ? 'everything' : vendors && targetsOfVendors(vendors);
  session.printer.progress('updating the trust root');
  const { snapshot, written } = await updateTrustRoot({
    source,
    directory,
    now: session.io.now(),
    ...(initialRoot && { initialRoot }),
    ...(keep && { keep }),
  });
  const trustRoot = parseTrustRoot(snapshot);
  const unknown = vendors?.find((vendor) => trustRoot.findVendor(readVendorId(vendor)) === undefined);
  if (unknown !== undefined) {
    const advice = 'Check how it is spelt. The trust root is up to date, and will hold the vendor once it is admitted.';
    throw new CliFault('cli/not-found', `The trust root knows no vendor ${unknown}.`, advice);
  }
  const { data, lines } = describe(directory, snapshot);
  return {
    data: { ...data, written },
    lines: [...lines, written.length === 0 ? 'No news.' : `${written.length} files new.`],
  };
}

async function chooseInitialRoot(source: string, options: InitOptions): Promise<Uint8Array> {
  if (options.root !== undefined) return readInitialRoot(options.root);
  const root = await openTrustRootSource(source, { timeoutSeconds: 30 }).read('1.root.json', 512_000);
  if (!root) throw new CliFault('cli/not-found', `${source} has no 1.root.json.`, 'Check the address.');
  const fingerprint = createHash('sha256').update(root).digest('hex');
  if (options.trustFirstUse || options.fingerprint?.toLowerCase().replace(/^sha256:/, '') === fingerprint) return root;
  if (options.fingerprint !== undefined) {
    const advice = 'Do not go on unless you know why. Compare it with what the operator of the registry published.';
    throw new CliFault('cli/not-trusted-yet', `The registry’s first root has another SHA-256: ${fingerprint}.`, advice);
  }
  const advice = `If that is what the operator of the registry published elsewhere, run it again with --fingerprint ${fingerprint}.`;
  throw new CliFault('cli/not-trusted-yet', `The registry’s first root has the SHA-256 ${fingerprint}.`, advice);
}

async function sourceOf(session: Session, source: string | undefined): Promise<string> {
  return source ?? `${await session.registryUrl()}/tuf`;
}

function describe(directory: string, snapshot: TufSnapshot): Outcome {
  const { registry, anchors, timestampAnchors, logs, revocations, filter } = parseTrustRoot(snapshot);
  const { versions, stale = [], timestamp } = snapshot;
  const fingerprint = createHash('sha256').update(snapshot.set.initialRoot).digest('hex');
  const counts = {
    certificates: revocations.certificates.size + (filter?.revoked ?? 0),
    keys: revocations.keys.size,
    vendors: revocations.vendors.size,
    digests: revocations.digests.size,
  };
  const lines = factLines({
    'trust root': directory,
    registry,
    'initial root': fingerprint,
    versions: Object.entries(versions)
      .map(([role, version]) => `${role} ${version}`)
      .join(', '),
    expires: `${timestamp.expires}${stale.length > 0 ? `; past its date: ${stale.map(({ role }) => role).join(', ')}` : ''}`,
    anchors: anchors.map(({ name }) => name).join(', '),
    'time-stamps': timestampAnchors.map(({ name }) => name).join(', ') || undefined,
    logs: logs.map(({ origin }) => origin).join(', '),
    revoked: `${counts.certificates} certificates, ${counts.keys} keys, ${counts.vendors} vendors, ${counts.digests} artifacts as of ${timeText(revocations.asOf)}`,
  });
  const data = {
    directory,
    registry,
    initialRoot: fingerprint,
    versions,
    stale: stale.map(({ role, expires }) => ({ role, expires })),
    anchors: anchors.map(({ name }) => name),
    logs: logs.map(({ origin }) => origin),
    revocations: { asOf: revocations.asOf, logSize: revocations.logSize, ...counts },
  };
  return { data, lines };
}
