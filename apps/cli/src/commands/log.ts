import type { LogQuery } from '@margo-trust/client';
import { parseBase64 } from '@margo-trust/bytes';
import type { LogEntry, LogEntryDetail } from '@margo-trust/wire';
import { parseStatement } from '@margo-trust/statement';
import { InvalidArgumentError, type Command } from 'commander';
import type { Run } from '../command.ts';
import { CliFault } from '../fault.ts';
import { factLines, tableLines, timeText, type Outcome } from '../outcome.ts';
import { addLogAudit } from './log-audit.ts';
import { addLogGovernance } from './log-governance.ts';
import { addLogKeys } from './log-keys.ts';
import { addLogRecover } from './log-recover.ts';
import { addLogComplete } from './log-complete.ts';

import { addLogSubscriptions } from './log-subscribe.ts';
import type { Session } from '../session.ts';

export function addLog(program: Command, run: Run): void {
  const log = program
    .command('log')
    .description('look around in the log, and audit it')
    .option('--of <name>', 'the log of this name, as in /logs/<name>/; default: the first');
  log
    .command('show')
    .description('the log, or one entry; what it answers is no evidence')
    .argument('[entry]', 'index or EntryID')
    .action(run(show));
  log
    .command('search')
    .description('find entries, newest first')
    .argument('[text]', 'digest, reference, application id, vendor, EntryID, fingerprint or index')
    .option('--vendor <id>')
    .option('--application-id <id>')
    .option('--application-version <version>')
    .option('--digest <digest>')
    .option('--reference <reference>')
    .option('--type <type>', 'artifact, release, record, policy, anchors, rekor, or a content type')
    .option('--since <time>', 'registered at this time or later: 2026-01-31 or 2026-01-31T12:00:00Z', time)
    .option('--until <time>', 'registered before this time', time)
    .option('--limit <n>', 'at most this many, up to 200', count, 50)
    .option('--before <cursor>', 'go on where a page ended')
    .action(run(search));
  addLogComplete(log, run);
  addLogAudit(log, run);
  addLogGovernance(log, run);
  addLogKeys(log, run);
  addLogRecover(log, run);
  addLogSubscriptions(log, run);
}

async function show(session: Session, id: string | undefined): Promise<Outcome> {
  const api = await session.api();
  if (id !== undefined) return entryOutcome(await loadEntry(session, id));
  const log = await api.log();
  const { origin, size, root, committedAt, checkpointKey } = log;
  return {
    data: { log },
    lines: factLines({ log: origin, entries: size, root, 'newest of': committedAt, key: checkpointKey }),
  };
}

interface SearchOptions extends Omit<LogQuery, 'q' | 'version'> {
  readonly applicationVersion?: string;
}

async function search(session: Session, text: string | undefined, options: SearchOptions): Promise<Outcome> {
  const api = await session.api();
  const { applicationVersion: version, ...rest } = options;
  const query = { ...rest, ...(version !== undefined && { version }), ...(text !== undefined && { q: text }) };
  const { items, next } = await api.searchLog(query);
  const rows = items.map(({ index, registeredAt, subject, issuer }) => [index, registeredAt, subject, issuer]);
  const nothing = next === undefined ? 'Nothing found.' : 'Nothing found yet.';
  const lines = items.length === 0 ? [nothing] : tableLines(rows);
  if (next !== undefined) session.printer.note(`There is more: --before ${next}`);
  return { data: { entries: items, ...(next !== undefined && { next }) }, lines };
}

/** What is restricted is asked for once more by name, if there is one to give. */
async function loadEntry(session: Session, id: string): Promise<LogEntryDetail> {
  const entry = await (await session.api()).loadLogEntry(id);
  if (entry.withheld?.kind !== 'restricted') return entry;
  try {
    return await (await session.signedInApi()).loadLogEntry(id);
  } catch (error) {
    if (error instanceof CliFault && error.code === 'cli/not-signed-in') return entry;
    throw error;
  }
}

function entryOutcome(entry: LogEntryDetail): Outcome {
  return { data: { entry }, lines: [...factLines(entryFacts(entry)), ...payloadLines(entry)] };
}

function entryFacts(entry: LogEntry): Record<string, string | undefined> {
  const { index, entryId, contentType, issuer, subject, registeredAt, vendorId, applicationId, version } = entry;
  return {
    index,
    entry: entryId,
    says: contentType,
    about: subject,
    by: issuer,
    at: registeredAt,
    vendor: vendorId,
    application: applicationId,
    version,
    certificate: entry.certificateFingerprint,
  };
}

function payloadLines({ statement, leaf, withheld }: LogEntryDetail): string[] {
  if (leaf !== undefined) return ['', ...jsonLines(parseBase64(leaf))];
  if (withheld !== undefined && statement === undefined) {
    const what = withheld.kind === 'erased' ? 'was erased' : 'is for its vendor and governance only';
    return ['', `The statement ${what} since ${withheld.at}: ${withheld.reason}`, `Record: ${withheld.recordEntryId}`];
  }
  if (statement === undefined) return ['The statement behind this entry is no longer kept.'];
  const { payload } = parseStatement(parseBase64(statement), { maxBytes: 2 << 20 });
  return ['', ...jsonLines(payload)];
}

function jsonLines(json: Uint8Array): string[] {
  return JSON.stringify(JSON.parse(new TextDecoder().decode(json)), null, 2).split('\n');
}

function time(text: string): string {
  const value = new Date(text);
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ)?$/.test(text) || Number.isNaN(value.getTime())) {
    throw new InvalidArgumentError('It must be a day such as 2026-01-31, or a time such as 2026-01-31T12:00:00Z.');
  }
  return timeText(value);
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 200) throw new InvalidArgumentError('It must be 1 to 200.');
  return value;
}
