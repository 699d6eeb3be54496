import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AdmissionReplay, LogCheck, readGovernanceSeen } from '@margo-trust/auditor';
import { encodeBase64, encodeBase64Url, parseUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import { encodeVerifierKey } from '@margo-trust/tlog';
import { InvalidArgumentError, type Command } from 'commander';
import { collect, type Run } from '../command.ts';
import { parseDuration } from '../duration.ts';
import { writeOutput } from '../files.ts';
import {
  loadCheckpoint,
  openAuditedLog,
  withAuditOptions,
  type AuditedLog,
  type AuditOptions,
} from '../log/audited-log.ts';
import { Fsck } from '../log/fsck.ts';
import { GoverningLog, isGoverned } from '../log/governing-log.ts';
import { LogWatch } from '../log/log-watch.ts';
import { mirrorLog } from '../log/mirror.ts';
import { mirrorAll, type NamedReport } from '../log/mirror-all.ts';
import {
  entryEvent,
  hasIdentities,
  isWatched,
  Monitor,
  type Identities,
  type MonitorEvent,
  type MonitorOptions,
} from '../log/monitor.ts';
import { CliFault } from '../fault.ts';
import { proveEntry } from '../log/prove.ts';
import { runMaintenance, type RegistryState } from '../log/rebuild.ts';
import { walkLog } from '../log/walk-log.ts';
import { factLines, timeText, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';

/** Commands that check a log without trusting it, from its public files or a mirror of them. */
export function addLogAudit(log: Command, run: Run): void {
  withAuditOptions(log.command('fsck'))
    .description('recompute the log from its statements: entries, tiles, heads, checkpoint, receipts')
    .option('--receipts <n>', 'how many receipts to check, spread over the log, or "all"', readReceipts, 256)
    .option('--signatures', 'check the signature of every statement too')
    .action(run(fsck));
  withAuditOptions(log.command('replay'))
    .description('take every decision of the registry again, from what its log says alone')
    .option('--governance <place>', 'of a log that is not the first: where the first one is; default: the registry')
    .action(run(replay));
  withAuditOptions(log.command('mirror'))
    .description('copy the log into a directory, or what it has become since')
    .argument('<directory>')
    .option('--all', 'the other logs of the registry too, into logs/<name> below it')
    .action(run(mirror));
  withAuditOptions(log.command('prove'))
    .description('prove that the log holds an entry, from its checkpoint and tiles alone')
    .argument('<entry>', 'index or EntryID')
    .option('--proof <file>', 'write the C2SP tlog-proof there')
    .option('--receipt <file>', 'write the COSE receipt there')
    .action(run(prove));
  withAuditOptions(log.command('rebuild'))
    .description('fill an empty database of a registry (DATABASE_URL or DATA_DIR) with all of its logs')
    .action(run(rebuild));
  log
    .command('state-hash')
    .description('a hash over all that a registry’s database keeps of its logs')
    .action(run(stateHash));
  withIdentities(withAuditOptions(log.command('follow')))
    .description('print new entries as they come, each proved to be in the log')
    .option('--all', 'begin with the first entry instead of the next one')
    .action(run(follow));
  withIdentities(withAuditOptions(log.command('monitor')))
    .description('watch the log: that it only grows, that it is alive, and whether a name turns up in it')
    .requiredOption('--state <file>', 'what was seen is kept there')
    .option('--from-start', 'begin with the first entry when there is no state yet')
    .option('--index', 'recompute the index for complete answers too; reads the whole log once, at the start')
    .option('--max-age <time>', 'alarm when the newest entry is older: 90m, 24h', parseDuration)
    .option('--hook <command>', 'shell command that gets each event as JSON on its standard input')
    .action(run(monitor));
}

async function fsck(
  session: Session,
  options: AuditOptions & { receipts: number | 'all'; signatures?: boolean },
): Promise<Outcome> {
  const log = await openAuditedLog(session, options);
  const { entries, root, ...counts } = await new Fsck(log, {
    receipts: options.receipts,
    signatures: options.signatures ?? false,
    onProgress: (done, of) => session.printer.bar('recomputing', done, of),
  }).run();
  const found = { log: log.key.name, entries, root: encodeBase64(root), ...counts };
  return {
    data: { fsck: found },
    lines: [
      `The log ${found.log} is what its statements say.`,
      ...factLines({ ...found, entries: entries.toString(), erased: counts.erased || undefined }),
    ],
  };
}

async function replay(session: Session, options: AuditOptions & { governance?: string }): Promise<Outcome> {
  const log = await openAuditedLog(session, options);
  const checkpoint = await loadCheckpoint(log);
  const first = (await isGoverned(log.files)) ? await openGoverning(session, options) : undefined;
  const [check, again] = [new LogCheck(log.key.name), new AdmissionReplay(log.key, first?.governance)];
  for await (const { evidence } of walkLog(log.files, 0n, checkpoint.size)) {
    for (const row of check.add(evidence)) {
      const seen = first && readGovernanceSeen(row);
      if (seen) await first.advanceTo(seen);
      again.add([row]);
    }
    session.printer.bar('deciding again', check.size, checkpoint.size);
  }
  check.conclude(checkpoint);
  await first?.conclude();
  const { admissions, records, raw, erased, policies } = again.conclude();
  // By the keys that the log's own records name.
  again.logKeys?.verify(checkpoint.note, verifyMlDsa44);
  const found = { log: log.key.name, entries: check.size, admissions, records, policies, raw, erased };
  return {
    data: { replay: found },
    lines: [
      'Every decision follows from what was in the log before it.',
      ...factLines({ ...found, entries: check.size.toString(), raw: raw || undefined, erased: erased || undefined }),
    ],
  };
}

/** Its keys come from the trust root, or, where that is wished, from itself; a key that is given is the other log's. */
async function openGoverning(
  session: Session,
  { governance, root, trustFirstUse }: AuditOptions & { governance?: string },
): Promise<GoverningLog> {
  const from = governance ?? `${await session.registryUrl()}/log`;
  const log = await openAuditedLog(session, {
    from,
    ...(root !== undefined && { root }),
    ...(trustFirstUse && { trustFirstUse }),
  });
  return GoverningLog.open(log);
}

async function mirror(
  session: Session,
  directory: string,
  { all, ...options }: AuditOptions & { all?: boolean },
): Promise<Outcome> {
  const onProgress = (done: bigint, of: bigint) => session.printer.bar('mirroring', done, of);
  if (all) {
    const mirrors = await mirrorAll(await openFirstLog(session, options), directory, onProgress);
    return { data: { mirrors }, lines: mirrors.map(mirrorLine) };
  }
  const log = await openAuditedLog(session, options);
  const report = { log: log.key.name, directory, ...(await mirrorLog(log, directory, onProgress)) };
  return { data: { mirror: report }, lines: [mirrorLine(report)] };
}

function mirrorLine({ log, directory, before, entries }: NamedReport): string {
  const what = before === 0n ? 'all of them new' : `${entries - before} of them new, and the others still in place`;
  return `${directory} holds ${entries} entries of ${log}, ${what}.`;
}

/** For work on all logs of a registry, which begins with the one that says which others there are. */
async function openFirstLog(session: Session, options: AuditOptions): Promise<AuditedLog> {
  session.refuseOf('This works on all logs of a registry, beginning with the first.');
  const log = await openAuditedLog(session, options);
  if (!(await isGoverned(log.files))) return log;
  const message = `${log.files.name} has the files of ${log.key.name}, which is not the first log of its registry.`;
  throw new CliFault('cli/bad-usage', message, 'Name the place of the first log; others are looked for beside it.');
}

async function prove(
  session: Session,
  id: string,
  options: AuditOptions & { proof?: string; receipt?: string },
): Promise<Outcome> {
  const log = await openAuditedLog(session, options);
  const { index, leaf, checkpoint, tlogProof, receipt } = await proveEntry(log, id);
  if (options.proof !== undefined) await writeOutput(options.proof, tlogProof);
  if (options.receipt !== undefined) {
    if (!receipt) {
      throw new CliFault(
        'cli/not-found',
        'There is no signed root here to make a receipt of.',
        'Mirror the log again.',
      );
    }
    await writeOutput(options.receipt, receipt);
  }
  const entry = encodeBase64Url(leaf.length === 32 ? leaf : sha256(leaf));
  const found = {
    log: log.key.name,
    index,
    entryId: entry,
    size: checkpoint.size,
    root: encodeBase64(checkpoint.root),
  };
  const lines = options.proof === undefined ? parseUtf8(tlogProof).trimEnd().split('\n') : [];
  return {
    data: { proof: { ...found, tlogProof: parseUtf8(tlogProof), ...(receipt && { receipt: encodeBase64(receipt) }) } },
    lines: [
      ...factLines({ ...found, index: index.toString(), size: checkpoint.size.toString() }),
      ...(lines.length > 0 ? ['', ...lines] : []),
    ],
  };
}

async function rebuild(session: Session, options: AuditOptions): Promise<Outcome> {
  const log = await openFirstLog(session, options);
  const logKey = encodeVerifierKey(log.key.name, log.key.publicKey);
  const work = async (mirror: string) =>
    stateOutcome(await runMaintenance(session, 'rebuilding', ['rebuild', '--mirror', mirror, '--log-key', logKey]));
  if (log.files.isDirectory) return work(log.files.name);
  const copy = await mkdtemp(join(tmpdir(), 'margo-log-'));
  try {
    await mirrorAll(log, copy, (done, of) => session.printer.bar('mirroring', done, of));
    return await work(copy);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function stateHash(session: Session): Promise<Outcome> {
  session.refuseOf('The hash is over all logs, and each has its own in it.');
  return stateOutcome(await runMaintenance(session, 'hashing', ['state-hash']));
}

function stateOutcome(state: RegistryState): Outcome {
  const lines = state.logs.map(({ origin, size }) => `The database holds ${size} entries of ${origin}.`);
  const each = state.logs.map(({ origin, stateHash: hash }) => [origin, hash] as const);
  return {
    data: { state },
    lines: [
      ...lines,
      ...factLines({ ...(each.length > 1 && Object.fromEntries(each)), 'state hash': state.stateHash }),
    ],
  };
}

async function follow(session: Session, options: AuditOptions & FollowOptions): Promise<Outcome> {
  const log = await openAuditedLog(session, options);
  const { printer, io } = session;
  const watch = await LogWatch.after(log, options.all ? undefined : await loadCheckpoint(log));
  const stop = io.stopped().then(() => true);
  let entries = 0;
  for (;;) {
    const { rows } = await watch.step(({ row }) => isWatched(row, options) || !hasIdentities(options));
    for (const row of rows) {
      const event = entryEvent(row);
      printer.event(event, `${row.index}  ${timeText(row.row.registeredAt)}  ${row.row.subject}  ${row.row.issuer}`);
    }
    entries += rows.length;
    if (options.once || (await pause(options.every, stop))) break;
  }
  return { data: { followed: { entries } }, lines: [] };
}

async function monitor(session: Session, options: AuditOptions & MonitorOptions & FollowOptions): Promise<Outcome> {
  const log = await openAuditedLog(session, options);
  const { io, printer } = session;
  const tell = (event: MonitorEvent) => {
    const at = io.now();
    printer.event(
      { ...event, at },
      `${timeText(at)} ${event.code === undefined ? event.event : `ALARM ${event.code}`}: ${event.message}`,
    );
  };
  const onProgress = (done: bigint, of: bigint) => printer.bar('recomputing the index', done, of);
  const watcher = new Monitor({ log, now: () => io.now(), tell, onProgress }, options);
  const stop = io.stopped().then(() => true);
  let exitCode: number;
  do exitCode = await watcher.look();
  while (!options.once && !(await pause(options.every, stop)));
  return { data: { monitor: { log: log.key.name, exitCode } }, lines: [], exitCode: options.once ? exitCode : 0 };
}

interface FollowOptions extends Identities {
  readonly once?: boolean;
  readonly all?: boolean;
  /** Seconds. */
  readonly every: number;
}

/** Waits; true when the process was asked to end meanwhile. */
async function pause(seconds: number, stop: Promise<boolean>): Promise<boolean> {
  const cancel = new AbortController();
  const slept = sleep(seconds * 1000, false, { signal: cancel.signal }).catch(() => false);
  const isStopped = await Promise.race([slept, stop]);
  cancel.abort();
  return isStopped;
}

function withIdentities(command: Command): Command {
  return command
    .option('--vendor <id>', 'entries of this vendor', collect)
    .option('--certificate <fingerprint>', 'entries signed with this certificate, or about it', collect)
    .option('--digest <digest>', 'entries that speak of this digest or reference', collect)
    .option('--subject <subject>', 'entries about this', collect)
    .option('--every <time>', 'how often to look: 2s, 5m', parseDuration, 10)
    .option('--once', 'look once and end');
}

function readReceipts(text: string): number | 'all' {
  if (text === 'all') return text;
  const count = Number(text);
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError('It must be a number or "all".');
  return count;
}
