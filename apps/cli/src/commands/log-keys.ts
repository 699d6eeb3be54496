import type { LogChange, LogChangeRequest, LogInfo, LogList, LogProposal } from '@margo-trust/wire';
import { Argument, type Command } from 'commander';
import type { Run } from '../command.ts';
import { factLines, tableLines, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';

interface ChangeOptions {
  readonly reason: string;
  readonly log?: string;
  readonly dryRun?: boolean;
}

/** What governance decides about logs and what they sign with. One member proposes, another one approves. */
export function addLogKeys(log: Command, run: Run): void {
  log.command('list').description('the registry’s logs and their keys').action(run(list));
  change(log.command('rotate-key'), 'propose to replace a key of the log with the one that waits in the key directory')
    .addArgument(new Argument('<purpose>').choices(['checkpoint', 'receipt', 'sct', 'record']))
    .action(
      run((session, purpose: string, options: ChangeOptions) =>
        propose(session, { action: 'rotate-key', purpose }, options),
      ),
    );
  log
    .command('proposals')
    .description('changes of logs and keys that wait for a second member')
    .action(run(listProposals));
  log
    .command('approve')
    .description('approve a proposed change: it is logged, and made')
    .argument('<proposal>', 'id of the proposal')
    .option('--note <text>', 'why; goes into the audit trail', 'Approved.')
    .action(run(approve));
}

function change(command: Command, description: string): Command {
  return command
    .description(description)
    .requiredOption('--reason <text>', 'goes into the audit trail')
    .option('--log <origin>', 'the log; default: the one that takes statements now')
    .option('--dry-run', 'say what would be proposed, and propose nothing');
}

async function list(session: Session): Promise<Outcome> {
  return logsOutcome(await (await session.api()).listLogs());
}

async function propose(
  session: Session,
  what: Omit<LogChangeRequest, 'reason'>,
  { reason, log, dryRun }: ChangeOptions,
): Promise<Outcome> {
  const api = await session.signedInApi();
  const request = { ...what, reason, ...(log !== undefined && { log }) };
  if (dryRun) {
    const previewed = await api.previewLogChange(request);
    return { data: { change: previewed }, lines: [...changeLines(previewed), '', 'Nothing is proposed yet.'] };
  }
  const proposal = await api.proposeLogChange(request);
  return { data: { proposal }, lines: proposalLines(proposal) };
}

async function listProposals(session: Session): Promise<Outcome> {
  const { items } = await (await session.signedInApi()).listLogProposals();
  const lines = items.flatMap((item) => [...proposalLines(item), '']).slice(0, -1);
  return { data: { proposals: items }, lines: items.length === 0 ? ['Nothing is proposed.'] : lines };
}

async function approve(session: Session, id: string, { note }: { note: string }): Promise<Outcome> {
  return logsOutcome(await (await session.signedInApi()).approveLogChange(id, note));
}

function proposalLines({ id, change: proposed, proposedBy, proposedAt, reason }: LogProposal): string[] {
  const next = `margo-trust log approve ${id}`;
  return factLines({ proposal: id, by: proposedBy, at: proposedAt, reason }).concat(
    changeLines(proposed),
    factLines({ 'another member': next }),
  );
}

function changeLines(proposed: LogChange): string[] {
  const { action, log, purpose, key, replaces } = proposed;
  return factLines({ action, log, purpose, 'new key': key, replaces });
}

function logsOutcome(logs: LogList): Outcome {
  return { data: { logs: logs.items }, lines: logs.items.flatMap((item) => [...logLines(item), '']).slice(0, -1) };
}

function logLines({ origin, path, state, size, successor, keys }: LogInfo): string[] {
  const rows = keys.map(({ purpose, fromSize, untilSize, spki }) => [
    purpose,
    `from ${fromSize} entries`,
    untilSize === undefined ? '' : `to before ${untilSize}`,
    spki,
  ]);
  return [...factLines({ log: origin, files: path, state, entries: size, successor }), ...tableLines(rows)];
}
