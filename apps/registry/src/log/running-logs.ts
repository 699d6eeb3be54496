import { type BeforeApplicationShutdown, Injectable, type INestApplicationContext, Logger } from '@nestjs/common';
import type { LogKeyPurpose } from '@margo-trust/auditor';
import { parseBase64Url } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import type { LogRooms, OtherLogs } from '../http/front-door.ts';
import { Readiness } from '../http/readiness.ts';
import { currentOf, LogsReader } from './governance/logs.reader.ts';
import { LogFault } from './log.fault.ts';
import { LogIdentity } from './log-identity.ts';
import { FIRST_LOG, type ServedLog } from './served-log.ts';

/** A log of its own name in this process: the application that serves it, and what stands behind its part of the door. */
export interface RunningLog extends LogRooms {
  readonly log: ServedLog;
  readonly app: INestApplicationContext & { close(): Promise<void> };
}

type Start = (log: ServedLog) => Promise<RunningLog>;

const LOOK_EVERY_MS = 1_000;

/**
 * The logs that this process serves beside the first one. Another process may open, freeze or retire one: the table is looked at
 * every second, and whoever comes too late with a statement finds out from the head itself.
 */
@Injectable()
export class RunningLogs implements BeforeApplicationShutdown, OtherLogs {
  private readonly logger = new Logger(RunningLogs.name);
  private readonly running = new Map<number, RunningLog>();
  private readonly watchers: ((log: RunningLog) => void)[] = [];
  private readonly retired = new Set<number>();
  private readonly opening = new Set<number>();
  private start: Start | undefined;
  /** Undefined when none takes statements. */
  private currentId: number | undefined = FIRST_LOG;
  private looking: Promise<void> | undefined;
  private failure: string | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly reader: LogsReader) {}

  /** Starts what serves the logs there are, and goes on doing so for those that come. */
  async serveWith(start: Start): Promise<void> {
    this.start = start;
    await this.look();
    this.timer = setInterval(() => {
      this.look().catch((error: unknown) => this.complain(error));
    }, LOOK_EVERY_MS).unref();
  }

  /** Calls `watcher` with every log that is served, and with every one that comes. */
  onServed(watcher: (log: RunningLog) => void): void {
    this.watchers.push(watcher);
    for (const log of this.running.values()) watcher(log);
  }

  get served(): RunningLog[] {
    return [...this.running.values()];
  }

  /** By the name below `/logs/`, as it comes from a caller. */
  find(name: string): RunningLog | undefined {
    for (const log of this.running.values()) if (log.log.name === name) return log;
    return undefined;
  }

  /** Undefined for the first log, and for one that is not served here. */
  findByOrigin(origin: string): RunningLog | undefined {
    for (const log of this.running.values()) if (log.log.origin === origin) return log;
    return undefined;
  }

  /** Starts what serves a log that is not there yet, and serves it once `work` has opened it. What throws leaves nothing behind. */
  async open<T>(log: ServedLog, work: (opened: RunningLog) => Promise<T>): Promise<T> {
    if (!this.start || this.opening.has(log.id)) throw new Error('A log is opened once, and beside the first one.');
    this.opening.add(log.id);
    let opened: RunningLog | undefined;
    try {
      opened = await this.start(log);
      const result = await work(opened);
      this.adopt(opened);
      return result;
    } catch (error) {
      await opened?.app.close();
      throw error;
    } finally {
      this.opening.delete(log.id);
    }
  }

  /** Looks at the table now, and not with a look that has begun before. What fails is said in the log, and tried again. */
  async lookAgain(): Promise<void> {
    await this.looking?.catch(() => undefined);
    await this.look().catch((error: unknown) => this.complain(error));
  }

  /**
   * Does `work` with the log that takes statements which name none: the oldest active one, or nothing for the first. One that was
   * frozen a moment ago hands over to the next. Throws LogFault `log/none-active` when there is none.
   */
  async inCurrent<T>(work: (log: RunningLog | undefined) => Promise<T>): Promise<T> {
    for (;;) {
      const before = this.currentId;
      try {
        if (before === undefined)
          throw new LogFault('log/none-active', 'No log of this registry takes statements now.');
        const log = before === FIRST_LOG ? undefined : await this.load(before);
        return await work(log);
      } catch (error) {
        const isOver = error instanceof LogFault && (error.code === 'log/frozen' || error.code === 'log/none-active');
        if (!isOver) throw error;
        await this.lookAgain();
        if (this.currentId === before) throw error;
      }
    }
  }

  findHolder(entryId: string): Promise<RunningLog | undefined> | undefined {
    return this.running.size === 0 ? undefined : this.lookForHolder(entryId);
  }

  /** Logs that sign, with a key that is not here. */
  missingKeys(): { readonly log: ServedLog; readonly purpose: LogKeyPurpose }[] {
    return Array.from(this.running.values()).flatMap(({ log, app }) => {
      const purpose = this.retired.has(log.id) ? undefined : app.get(LogIdentity).findMissing();
      return purpose === undefined ? [] : [{ log, purpose }];
    });
  }

  /** What is wrong with one of them, for /readyz. */
  async complaint(): Promise<string | undefined> {
    if (this.failure !== undefined) return this.failure;
    for (const { log, purpose } of this.missingKeys()) return `${log.origin}: the ${purpose} key is not here`;
    for (const { log, app } of this.running.values()) {
      const [failed] = Object.values(await app.get(Readiness).failures());
      if (failed !== undefined) return `${log.origin}: ${failed}`;
    }
    return undefined;
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.looking?.catch(() => undefined);
    await Promise.all(Array.from(this.running.values(), ({ app }) => app.close()));
  }

  private async lookForHolder(entryId: string): Promise<RunningLog | undefined> {
    const entry = tryBase64Url(entryId);
    const holder = entry && (await this.reader.findHolder(entry, [FIRST_LOG, ...this.running.keys()]));
    return holder === undefined ? undefined : this.running.get(holder);
  }

  private adopt(log: RunningLog): void {
    this.running.set(log.log.id, log);
    for (const watcher of this.watchers) watcher(log);
  }

  /** One that takes statements, which may be starting just now. */
  private async load(id: number): Promise<RunningLog> {
    if (!this.running.has(id)) await this.lookAgain();
    const log = this.running.get(id);
    if (log) return log;
    throw new LogFault('log/key-missing', 'This process cannot serve the log that takes statements now.');
  }

  /** Those who ask meanwhile share the answer. */
  private look(): Promise<void> {
    return (this.looking ??= this.lookOnce().finally(() => (this.looking = undefined)));
  }

  private async lookOnce(): Promise<void> {
    const { start } = this;
    if (!start) return;
    const logs = await this.reader.all();
    this.currentId = logs.length === 0 ? FIRST_LOG : currentOf(logs)?.log.id;
    const failures: unknown[] = [];
    for (const { log, state } of logs) {
      if (state === 'retired') this.retired.add(log.id);
      if (log.isFirst || this.running.has(log.id) || this.opening.has(log.id)) continue;
      await start(log).then(
        (started) => this.adopt(started),
        (error: unknown) => failures.push(error),
      );
    }
    if (failures.length > 0) throw failures[0];
    this.failure = undefined;
  }

  private complain(error: unknown): void {
    const isNew = this.failure === undefined;
    this.failure = 'A log could not be served: see the log of this process.';
    if (isNew) this.logger.error({ msg: 'The logs could not be looked at', err: error });
  }
}

/** A spelling that means no 32 bytes names no entry. */
function tryBase64Url(text: string): Uint8Array | undefined {
  try {
    return parseBase64Url(text);
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}
