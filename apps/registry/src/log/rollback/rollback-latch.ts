import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { areEqualBytes } from '@margo-trust/bytes';
import { verifyConsistency } from '@margo-trust/merkle';
import { DatabaseFault } from '../../db/database.fault.ts';
import { HighWaterFile } from './high-water-file.ts';
import type { HighWater, SeenHead } from './high-water.ts';
import { LogFault } from '../log.fault.ts';
import { LogReader } from '../log.reader.ts';
import type { Head } from '../log.store.ts';

const CHECK_EVERY_MS = 60_000;
const ASK_FOR_MS = 2_000;
/** At start nobody has said anything yet that could count instead: who is late is asked again. */
const ASKED_AT_START = 3;

/** Why nothing is appended and no newer head signed. */
interface Shut {
  /** For callers and operators. */
  readonly sentence: string;
  /** Seals up to here are what everybody has seen. */
  readonly goodSize: bigint;
}

/**
 * Keeps a database that was restored from an older backup from rewriting history. The committed head is held against
 * what others have seen, at start before anything is signed, and once a minute from then on; a head behind one of them, or one
 * that does not lead on from it, shuts the log for writing until it has been brought forward.
 *
 * Proves nothing about what nobody outside has seen, and trusts whoever cannot be reached to have seen no more than last time.
 */
@Injectable()
export class RollbackLatch implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly sources: HighWater[];
  private readonly marks = new Map<string, SeenHead>();
  private readonly logger = new Logger(RollbackLatch.name);
  private signed: Required<SeenHead> | undefined;
  private shut: Shut | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly reader: LogReader,
    private readonly file: HighWaterFile,
  ) {
    this.sources = [file];
  }

  /** Before `onApplicationBootstrap`, to be asked at start. */
  add(source: HighWater): void {
    this.sources.push(source);
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.check(ASKED_AT_START);
    this.timer = setInterval(() => {
      this.check().catch((error: unknown) =>
        this.logger.error({ msg: 'The log could not be held against its past', err: error }),
      );
    }, CHECK_EVERY_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** The newest head that this process has signed. */
  get newestSigned(): Required<SeenHead> | undefined {
    return this.signed;
  }

  noteSigned({ size, root }: Required<SeenHead>): void {
    if (this.signed !== undefined && size <= this.signed.size) return;
    this.signed = { size, root };
    this.file.note(this.signed);
  }

  /** What is wrong, for /readyz. */
  complaint(): string | undefined {
    return this.shut?.sentence;
  }

  /** Throws LogFault `log/behind` while the log is shut. */
  refuseWrites(): void {
    if (this.shut) throw new LogFault('log/behind', this.shut.sentence);
  }

  /** Throws LogFault `log/behind` for heads that may not be what others have seen of the log at that size. */
  refuseSigning(size: bigint): void {
    if (this.shut && size > this.shut.goodSize) throw new LogFault('log/behind', this.shut.sentence);
  }

  /**
   * Holds the head that a transaction has just locked against `signed`, the newest that this process had signed when it asked
   * for the root of that size. Throws `log/behind`.
   */
  refuseRegressed(head: Head & { rememberedRoot?: Uint8Array }, signed: Required<SeenHead> | undefined): void {
    if (signed === undefined) return;
    const isBehind = head.size < signed.size;
    if (!isBehind && head.rememberedRoot && areEqualBytes(head.rememberedRoot, signed.root)) return;
    this.shutFor(THIS_PROCESS, signed, head, isBehind ? head.size : 0n);
    this.refuseWrites();
  }

  /** Asks everybody, and who does not answer up to `attempts` times. Opens the log again when nothing speaks against it any more. */
  async check(attempts = 1): Promise<void> {
    await Promise.all(this.sources.map((source) => this.ask(source, attempts)));
    // Read after all of them have spoken: what they saw was committed before. This process signs more while it is read.
    const marks = [...this.marks, ...(this.signed ? [[THIS_PROCESS, this.signed] as const] : [])];
    const head = await this.reader.findHead();
    if (head === undefined && marks.length === 0) return;
    const size = head?.size ?? 0n;

    const wrong: [string, SeenHead][] = [];
    let provenSize = 0n;
    let isBehindOnly = true;
    for (const [name, seen] of marks) {
      if (seen.size > size) wrong.push([name, seen]);
      else if (head && (await this.leadsOn(seen, head))) provenSize = seen.size > provenSize ? seen.size : provenSize;
      else {
        wrong.push([name, seen]);
        isBehindOnly = false;
      }
    }
    const [first] = wrong.sort(([, a], [, b]) => Number(b.size - a.size));
    if (first) this.shutFor(...first, { size }, isBehindOnly ? size : provenSize);
    else if (this.shut) {
      this.shut = undefined;
      this.logger.warn('The log has caught up with what others have seen: it takes entries again.');
    }
  }

  private async ask(source: HighWater, attempts: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('No answer within two seconds.')), ASK_FOR_MS);
      });
      const seen = await Promise.race([source.load(), late]);
      const known = this.marks.get(source.name);
      if (seen && seen.size > 0n && (known === undefined || seen.size >= known.size)) this.marks.set(source.name, seen);
    } catch (error) {
      if (attempts > 1) return await this.ask(source, attempts - 1);
      this.logger.warn({ msg: `It is not known how much of the log ${source.name} has seen`, err: error });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whether our tree of that size has that root, by our own tiles. */
  private async leadsOn(seen: SeenHead, head: Head): Promise<boolean> {
    if (seen.root === undefined) return true;
    if (seen.size === head.size) return areEqualBytes(seen.root, head.root);
    try {
      const path = await this.reader.consistencyPath(seen.size, head.size);
      verifyConsistency(seen.size, seen.root, head.size, Uint8Array.from(head.root), path);
      return true;
    } catch (error) {
      if (error instanceof DatabaseFault) throw error;
      return false;
    }
  }

  private shutFor(name: string, seen: SeenHead, { size }: Pick<Head, 'size'>, goodSize: bigint): void {
    const what =
      seen.size > size
        ? `This log has ${size} entries, and ${name} has seen ${seen.size}: the database seems to be an older copy.`
        : `This log is not the one that ${name} has seen when it had ${seen.size} entries.`;
    const sentence = `${what} Nothing is appended and no head signed until "margo-trust log recover" has mended that.`;
    if (this.shut?.sentence !== sentence) this.logger.error(sentence);
    // Others may go on writing: what was good when the latch fell stays the limit.
    const limit = this.shut === undefined || goodSize < this.shut.goodSize ? goodSize : this.shut.goodSize;
    this.shut = { sentence, goodSize: limit };
  }
}

const THIS_PROCESS = 'this process';
