import { readLogEvent, type LogEvent } from '@margo-trust/auditor';
import { encodeBase64Url } from '@margo-trust/bytes';
import { coseKeyThumbprint } from '@margo-trust/cose';
import { parsePublicKey } from '@margo-trust/crypto';
import type { ReceiptKey } from '@margo-trust/receipt';
import { parseStatement } from '@margo-trust/statement';
import { parseCheckpoint, parseNote } from '@margo-trust/tlog';
import type { INestApplicationContext } from '@nestjs/common';
import { Db, type Tx } from '../db/db.ts';
import { PolicyStore } from '../log/admission/policy.store.ts';
import { LogsReader, type LogRecord } from '../log/governance/logs.reader.ts';
import { LogKeyStore } from '../log/keys/log-key.store.ts';
import { LogKeys } from '../log/keys/log-keys.ts';
import { RestoreLogKeys } from '../log/keys/restore-log-keys.ts';
import { LogIdentity } from '../log/log-identity.ts';
import { LogReader } from '../log/log.reader.ts';
import { LogStore } from '../log/log.store.ts';
import { RollbackLatch } from '../log/rollback/rollback-latch.ts';
import { RunningLogs } from '../log/running-logs.ts';
import { FIRST_LOG, ServedLog } from '../log/served-log.ts';
import { WithholdingStore } from '../log/withholding/withholding.store.ts';
import { findWithholding, type FoundDecision } from './find-withholding.ts';
import { keepTransitionsAgain } from './handovers.ts';
import { LogRebuildStore } from './log-rebuild.store.ts';
import { PublicLog } from './public-log.ts';
import { rebuildLog } from './rebuild-log.ts';
import { type Missing, RecoverLog } from './recover-log.ts';
import { refuseApart } from './refuse-apart.ts';
import { retireAgain } from './retire-again.ts';

type Opened = Extract<LogEvent, { what: 'opened' }>;

/** A log that the database has, in this process. */
interface PresentLog {
  readonly log: ServedLog;
  readonly app: INestApplicationContext;
}

/**
 * Brings all logs of a restored database forward to what copies of them hold: the first one, which says which others there are, then each
 * of those in the order in which they were opened. One that was opened after the backup is made anew from its copy.
 */
export class RecoverLogs {
  private readonly db: Db;
  private readonly first: PresentLog;
  private readonly store = new LogRebuildStore(FIRST_LOG);

  constructor(
    private readonly app: INestApplicationContext,
    private readonly say: (line: string) => void,
  ) {
    this.db = app.get(Db);
    this.first = { app, log: app.get(ServedLog) };
  }

  /** What is known to be missing, one sentence each, without a copy to compare with. */
  async complaints(): Promise<string[]> {
    const present = this.present();
    const shut = present.flatMap((log) => {
      const complaint = log.app.get(RollbackLatch).complaint();
      return complaint === undefined ? [] : [this.named(log.log, complaint)];
    });
    return [...shut, ...(await this.gaps(await this.events()))];
  }

  /** Asks once more whether anybody has seen more. */
  async checkLatches(): Promise<void> {
    for (const { app } of this.present()) await app.get(RollbackLatch).check();
  }

  /** Says what the copies hold beyond the database and changes nothing. Whether there is something. */
  async look(from: PublicLog): Promise<boolean> {
    const first = await this.lookAt(this.first, from);
    let isMissing = isAhead(first);
    const events = [...(await this.events()), ...first.events];
    for (const opened of openedOf(events)) {
      const [present, copy] = [this.find(opened), from.of(opened.name)];
      const note = await copy.findNote();
      if (!note) this.say(this.named(opened, `there is no copy of it at ${copy.name}.`));
      else if (present) {
        const missing = await this.lookAt(present, copy);
        if (isAhead(missing) && !isAhead(first)) {
          await this.db.transaction((tx) => this.refuseApart(tx, events, present, missing));
        }
        isMissing ||= isAhead(missing);
      } else {
        const { size } = parseCheckpoint(parseNote(note).text);
        this.say(this.named(opened, `the database does not have this log, and the copy has ${size} entries of it.`));
        isMissing = true;
      }
    }
    return isMissing || (await this.gaps(events)).length > 0;
  }

  /** Appends what is missing. Each log is seen to lead on to its copy's checkpoint before anything of it is written. */
  async run(from: PublicLog): Promise<void> {
    await this.bringForward(this.first, from, await this.lookAt(this.first, from));
    const events = await this.events();
    for (const opened of openedOf(events)) {
      const [present, copy] = [this.find(opened), from.of(opened.name)];
      if (!(await copy.findNote())) this.say(this.named(opened, `there is no copy of it at ${copy.name}.`));
      else if (present) {
        const missing = await this.lookAt(present, copy);
        if (isAhead(missing)) {
          await this.db.transaction((tx) => this.refuseApart(tx, events, present, missing));
          await this.bringForward(present, copy, missing);
        }
        await this.retire(events, present, copy);
      } else await this.make(events, opened, copy);
    }
    await this.withholdAgain();
    await this.app.get(RunningLogs).lookAgain();
  }

  /** What the first log has on record of statements in any log, the last word about each: that log may have been made only now. */
  private async withholdAgain(): Promise<void> {
    const { issuer } = this.app.get(LogIdentity);
    await this.db.transaction(async (tx) => {
      const decisions = new Map<string, FoundDecision>();
      for (const { body } of await this.store.recordsAbout(tx, 'statement:')) {
        const decision = findWithholding(parseStatement(body), issuer);
        if (decision) decisions.set(encodeBase64Url(decision.entry), decision);
      }
      for (const decision of decisions.values()) await new WithholdingStore().carryOut(tx, decision);
    });
  }

  private present(): PresentLog[] {
    return [this.first, ...this.app.get(RunningLogs).served];
  }

  private find({ origin }: Opened): PresentLog | undefined {
    return this.app.get(RunningLogs).findByOrigin(origin);
  }

  /** Where there are several logs, a sentence says which it is about. */
  private named({ origin }: { readonly origin: string }, sentence: string): string {
    const isAlone = origin === this.first.log.origin && this.app.get(RunningLogs).served.length === 0;
    return isAlone ? sentence : `${origin}: ${sentence}`;
  }

  /** What the first log has on record about logs, as far as the database has it. */
  private async events(): Promise<LogEvent[]> {
    const rows = await this.db.transaction((tx) => this.store.recordsAbout(tx, 'log:'));
    return rows.flatMap(({ index, body }) => readLogEvent({ index, statement: parseStatement(body) }) ?? []);
  }

  /** Logs that the first one tells of and that are not there, or not as far as it says. */
  private async gaps(events: readonly LogEvent[]): Promise<string[]> {
    const rows = new Map<string, LogRecord>();
    for (const record of await this.app.get(LogsReader).all()) rows.set(record.log.origin, record);
    return events.flatMap((event) => {
      const row = rows.get(event.origin);
      if (event.what === 'opened' && !row) {
        return [
          this.named(event, 'the first log has on record that this one was opened, and the database does not have it.'),
        ];
      }
      if (event.what === 'frozen' && event.final && row && row.size < event.final.size) {
        const ends = `the first log has on record that this one was frozen with ${event.final.size} entries`;
        return [this.named(event, `${ends}, and the database has ${row.size}.`)];
      }
      if (event.what === 'retired' && row && row.state !== 'retired') {
        return [this.named(event, 'the first log has on record that this one was retired, and the database does not.')];
      }
      return [];
    });
  }

  private recovery({ app }: PresentLog): RecoverLog {
    return new RecoverLog(
      this.db,
      app.get(LogStore),
      app.get(LogReader),
      app.get(PolicyStore),
      app.get(LogIdentity),
      app.get(RestoreLogKeys),
    );
  }

  private async lookAt(present: PresentLog, copy: PublicLog): Promise<Missing> {
    const missing = await this.recovery(present).look(copy);
    const tell = (line: string) => this.say(this.named(present.log, line));
    const { head, checkpoint, records } = missing;
    if (!isAhead(missing)) {
      tell(
        `The copy has ${checkpoint.size} entries, the database ${head.size}: it holds nothing that is missing here.`,
      );
      return missing;
    }
    tell(`The copy has ${checkpoint.size} entries, the database ${head.size}. The copy leads on from it.`);
    if (records.length === 0) return missing;
    tell(
      `${records.length} of the missing entries are decisions of this registry. The log gets them back; the tables of vendors, ` +
        'certificates, revocations and the trust root do not. Make these decisions again, revocations first:',
    );
    for (const { index, subject, record } of records) this.say(`  ${index}  ${record}  ${subject}`);
    return missing;
  }

  private async bringForward(present: PresentLog, copy: PublicLog, missing: Missing): Promise<void> {
    if (!isAhead(missing)) return;
    const { size } = await this.recovery(present).run(copy, missing, () => undefined);
    const { log, app } = present;
    const stores = { keys: app.get(LogKeyStore), rebuild: new LogRebuildStore(log.id) };
    await this.db.transaction((tx) => keepTransitionsAgain(tx, stores, log, copy));
    await app.get(LogKeys).refresh();
    const line = `The log has ${size} entries again. Every head and every entry is the one that was published.`;
    this.say(this.named(present.log, line));
  }

  private async refuseApart(
    tx: Tx,
    firstEvents: readonly LogEvent[],
    { log, app }: PresentLog,
    { checkpoint: { size, root }, events, seen }: Missing,
  ): Promise<void> {
    const isFrozen = (await app.get(LogsReader).find(log.id))?.frozenAt !== undefined;
    await refuseApart(tx, firstEvents, { log, size, root, seen, isFrozen: isFrozen || freezes(events, log) });
  }

  private async make(events: readonly LogEvent[], { origin, name, key }: Opened, copy: PublicLog): Promise<void> {
    const ids = (await this.app.get(LogsReader).all()).map(({ log }) => log.id);
    const log = new ServedLog(Math.max(...ids) + 1, name, origin);
    const { size } = await this.db.transaction(async (tx) => {
      const made = await rebuildLog(tx, this.db, { log, copy, key }, () => undefined);
      await refuseApart(tx, events, { ...made, isFrozen: freezes(made.events, log) });
      await retireAgain(tx, this.app.get(LogStore), events, made);
      for (const decision of made.decisions.values()) await new WithholdingStore().carryOut(tx, decision);
      return made;
    });
    this.say(this.named(log, `The database has this log again, with ${size} entries.`));
  }

  private async retire(events: readonly LogEvent[], { log, app }: PresentLog, copy: PublicLog): Promise<void> {
    const found = await app.get(LogsReader).find(log.id);
    if (found?.state !== 'frozen') return;
    const { size, root } = await app.get(LogReader).loadHead();
    const receiptKeys = receiptKeysOf(app.get(LogIdentity));
    await this.db.transaction((tx) =>
      retireAgain(tx, app.get(LogStore), events, { log, copy, receiptKeys, size, root }),
    );
  }
}

function receiptKeysOf({ origin, issuer, keySet }: LogIdentity): ReceiptKey[] {
  return keySet.of('receipt').map(({ spki, fromSize, untilSize }) => {
    const key = parsePublicKey(spki);
    const window = { fromSize, ...(untilSize !== undefined && { untilSize }) };
    return { kid: coseKeyThumbprint(key), key, issuer, origin, leafFormat: 'cose-digest', ...window };
  });
}

function isAhead({ checkpoint, head }: Missing): boolean {
  return checkpoint.size > head.size;
}

function openedOf(events: readonly LogEvent[]): Opened[] {
  return events.flatMap((event) => (event.what === 'opened' ? [event] : []));
}

function freezes(events: readonly LogEvent[], { origin }: ServedLog): boolean {
  return events.some((event) => event.what === 'frozen' && event.origin === origin);
}
