import { spawn } from 'node:child_process';
import { AuditorFault, verifyCheckpoint, type CheckedRow } from '@margo-trust/auditor';
import { encodeBase64Url, encodeHex, encodeUtf8, parseJson } from '@margo-trust/bytes';
import { ClientFault, readFileWithin } from '@margo-trust/client';
import { Fault } from '@margo-trust/fault';
import { EXIT, exitCodeOf } from '../exit-code.ts';
import { CliFault } from '../fault.ts';
import { writeOutput } from '../files.ts';
import { loadCheckpoint, noteText, type AuditedLog, type SignedCheckpoint } from './audited-log.ts';
import { IndexWatch } from './index-watch.ts';
import { LogWatch } from './log-watch.ts';

/** Whose entries are waited for. An entry that fits any of them is told. */
export interface Identities {
  readonly vendor?: readonly string[];
  readonly certificate?: readonly string[];
  readonly digest?: readonly string[];
  readonly subject?: readonly string[];
}

export interface MonitorOptions extends Identities {
  readonly state: string;
  /** Begins with the first entry when there is no state yet; otherwise with what comes next. */
  readonly fromStart?: boolean;
  /** Recomputes the index for complete answers too, from the first entry on: reads the whole log once. */
  readonly index?: boolean;
  /** Shell command that gets each event as JSON on its standard input. */
  readonly hook?: string;
  /** A log whose newest entry is older is stale. */
  readonly maxAge?: number;
}

/** One line of what a monitor tells. */
export interface MonitorEvent {
  readonly event: 'watching' | 'grown' | 'entry' | 'alarm';
  /** Of alarms: an audit code, or `monitor/unreachable`, `monitor/stale`, `monitor/may-have-missed`. */
  readonly code?: string;
  readonly message: string;
  readonly [more: string]: unknown;
}

export interface MonitorContext {
  readonly log: AuditedLog;
  now(): Date;
  tell(event: MonitorEvent): void;
  onProgress?(entries: bigint, of: bigint): void;
}

/**
 * Watches a log: that it only grows, that it is alive, and whether somebody's name turns up in it. What was looked at is
 * kept in a file and moved on only after every event was delivered, so an event may come twice and is never lost.
 */
export class Monitor {
  private readonly context: MonitorContext;
  private readonly options: MonitorOptions;
  private readonly index: IndexWatch | undefined;
  private watch: LogWatch | undefined;
  private isUnreachable = false;
  private isStale = false;

  constructor(context: MonitorContext, options: MonitorOptions) {
    this.context = context;
    this.options = options;
    this.index = options.index === true ? new IndexWatch(context.log) : undefined;
  }

  /** One look. Returns 0 when all is well, and otherwise the exit code of the alarm that was told. */
  async look(): Promise<number> {
    try {
      this.watch ??= await this.resume();
      const codes = [await this.step(this.watch), await this.judgeAge(this.watch)];
      this.isUnreachable = false;
      return codes.find((code) => code !== EXIT.ok) ?? EXIT.ok;
    } catch (error) {
      this.watch = undefined; // begin anew from what is kept
      if (error instanceof AuditorFault) return this.alarm(error.code, error.message, exitCodeOf(error));
      if (!(error instanceof ClientFault)) throw error;
      if (this.isUnreachable) return EXIT.mayHaveMissed; // told already
      this.isUnreachable = true;
      return this.alarm('monitor/unreachable', `The log cannot be looked at: ${error.message}`, EXIT.mayHaveMissed);
    }
  }

  private async resume(): Promise<LogWatch> {
    const kept = await this.loadState();
    const { log } = this.context;
    if (kept) return LogWatch.after(log, kept);
    if (this.options.fromStart) return LogWatch.after(log, undefined);
    const checkpoint = await loadCheckpoint(log);
    const watch = await LogWatch.after(log, checkpoint);
    await this.keep(checkpoint);
    const message = `Watching ${log.key.name} from entry ${checkpoint.size} on; nobody has looked at the entries before.`;
    await this.deliver({ event: 'watching', message, size: checkpoint.size });
    return watch;
  }

  private async step(watch: LogWatch): Promise<number> {
    const before = watch.checkpoint?.size ?? 0n;
    const { checkpoint, rows, unseen } = await watch.step(({ row }) => isWatched(row, this.options));
    await this.index?.step(checkpoint, this.context.onProgress);
    for (const row of rows) await this.deliver(entryEvent(row));
    if (checkpoint.size > before) {
      const message = `The log has grown from ${before} to ${checkpoint.size} entries, and only grown.`;
      await this.deliver({ event: 'grown', message, from: before, size: checkpoint.size });
    }
    const missed = unseen.length > 0 && hasIdentities(this.options);
    const message = `The statements of ${unseen.length} new entries are not shown, first of entry ${unseen[0]}: they may be about what is watched.`;
    const code = missed ? await this.alarm('monitor/may-have-missed', message, EXIT.mayHaveMissed) : EXIT.ok;
    await this.keep(checkpoint);
    return code;
  }

  private async judgeAge({ newestAt }: LogWatch): Promise<number> {
    const { maxAge } = this.options;
    if (maxAge === undefined || newestAt === undefined) return EXIT.ok;
    const isStale = this.context.now().getTime() - newestAt.getTime() > maxAge * 1000;
    const isTold = this.isStale;
    this.isStale = isStale;
    if (!isStale) return EXIT.ok;
    if (isTold) return EXIT.stale;
    return this.alarm('monitor/stale', `Nothing was logged since ${newestAt.toISOString()}.`, EXIT.stale);
  }

  private async alarm(code: string, message: string, exitCode: number): Promise<number> {
    await this.deliver({ event: 'alarm', code, message, exitCode });
    return exitCode;
  }

  /** Prints the event and hands it to the hook; one that fails stops the monitor before anything is marked as told. */
  private async deliver(event: MonitorEvent): Promise<void> {
    this.context.tell(event);
    if (this.options.hook !== undefined) await runHook(this.options.hook, event);
  }

  private async loadState(): Promise<SignedCheckpoint | undefined> {
    const { state } = this.options;
    const bytes = await readFileWithin(state, 1 << 20);
    if (!bytes) return undefined;
    try {
      const { checkpoint } = parseJson(bytes, { maxBytes: 1 << 20, maxDepth: 4 }) as { checkpoint?: unknown };
      if (typeof checkpoint !== 'string') throw new CliFault('cli/unreadable', 'It holds no checkpoint.', '');
      const note = encodeUtf8(checkpoint);
      return { ...verifyCheckpoint(note, this.context.log.keys), note };
    } catch (cause) {
      if (!(cause instanceof Fault) || cause instanceof AuditorFault) throw cause;
      const advice = 'Name the file of this monitor, or move it away to begin anew.';
      throw new CliFault('cli/unreadable', `${state} is not what a monitor keeps.`, advice, { cause });
    }
  }

  private keep(checkpoint: SignedCheckpoint): Promise<void> {
    const state = { checkpoint: noteText(checkpoint), seenAt: this.context.now().toISOString() };
    return writeOutput(this.options.state, `${JSON.stringify(state, undefined, 2)}\n`);
  }
}

/** Whether the entry is about one of those who are watched. A vendor is known by its statements too, whatever the log says. */
export function isWatched(
  { vendorId, certificate, mentions, subject, issuer }: CheckedRow['row'],
  who: Identities,
): boolean {
  const fingerprint = certificate && encodeHex(certificate);
  return (
    (who.vendor?.some((id) => id === vendorId || issuer.startsWith(`https://${id}.`) || issuer === id) ?? false) ||
    (who.certificate?.some((hex) => hex.toLowerCase() === fingerprint) ?? false) ||
    (who.digest?.some((digest) => mentions.includes(digest)) ?? false) ||
    (who.subject?.includes(subject) ?? false)
  );
}

/** An entry as one line of JSON. */
export function entryEvent({ index, row }: CheckedRow): MonitorEvent {
  const { entry, kind, contentType, issuer, subject, vendorId, applicationId, version, certificate, registeredAt } =
    row;
  return {
    event: 'entry',
    message: `Entry ${index}: ${subject} by ${issuer}`,
    ...{ index, entryId: encodeBase64Url(entry), kind, contentType, issuer, subject },
    ...(vendorId !== undefined && { vendorId }),
    ...(applicationId !== undefined && { applicationId }),
    ...(version !== undefined && { version }),
    ...(certificate && { certificateFingerprint: encodeHex(certificate) }),
    mentions: row.mentions,
    registeredAt,
  };
}

export function hasIdentities({ vendor, certificate, digest, subject }: Identities): boolean {
  return [vendor, certificate, digest, subject].some((names) => names !== undefined && names.length > 0);
}

async function runHook(command: string, event: MonitorEvent): Promise<void> {
  const child = spawn('sh', ['-c', command], { stdio: ['pipe', 'ignore', 'inherit'] });
  child.stdin.on('error', () => undefined); // a hook need not read
  child.stdin.end(
    `${JSON.stringify(event, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))}\n`,
  );
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code === 0) return;
  throw new CliFault('cli/hook-failed', `The hook ended with ${code ?? 'a signal'}.`, 'The event will be told again.');
}
