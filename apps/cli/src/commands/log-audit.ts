import { AdmissionReplay, LogCheck } from '@margo-trust/auditor';
import { encodeBase64 } from '@margo-trust/bytes';
import { InvalidArgumentError, type Command } from 'commander';
import type { Run } from '../command.ts';
import { loadCheckpoint, openAuditedLog, withAuditOptions, type AuditOptions } from '../log/audited-log.ts';
import { Fsck } from '../log/fsck.ts';
import { mirrorLog } from '../log/mirror.ts';
import { walkLog } from '../log/walk-log.ts';
import { factLines, type Outcome } from '../outcome.ts';
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
    .action(run(replay));
  withAuditOptions(log.command('mirror'))
    .description('copy the log into a directory, or what it has become since')
    .argument('<directory>')
    .action(run(mirror));
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

async function replay(session: Session, options: AuditOptions): Promise<Outcome> {
  const log = await openAuditedLog(session, options);
  const checkpoint = await loadCheckpoint(log);
  const [check, again] = [new LogCheck(log.key.name), new AdmissionReplay(log.key)];
  for await (const { evidence } of walkLog(log.files, 0n, checkpoint.size)) {
    again.add(check.add(evidence));
    session.printer.bar('deciding again', check.size, checkpoint.size);
  }
  check.conclude(checkpoint);
  const { admissions, records, raw, erased, policies } = again.conclude();
  const found = { log: log.key.name, entries: check.size, admissions, records, policies, raw, erased };
  return {
    data: { replay: found },
    lines: [
      'Every decision follows from what was in the log before it.',
      ...factLines({ ...found, entries: check.size.toString(), raw: raw || undefined, erased: erased || undefined }),
    ],
  };
}

async function mirror(session: Session, directory: string, options: AuditOptions): Promise<Outcome> {
  const log = await openAuditedLog(session, options);
  const { before, entries } = await mirrorLog(log, directory, (done, of) => session.printer.bar('mirroring', done, of));
  const what = before === 0n ? 'all of them new' : `${entries - before} of them new, and the others still in place`;
  return {
    data: { mirror: { log: log.key.name, directory, entries, before } },
    lines: [`${directory} holds ${entries} entries of ${log.key.name}, ${what}.`],
  };
}

function readReceipts(text: string): number | 'all' {
  if (text === 'all') return text;
  const count = Number(text);
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError('It must be a number or "all".');
  return count;
}
