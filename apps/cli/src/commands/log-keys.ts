import { parseBase64 } from '@margo-trust/bytes';
import { encodeVerifierKey, verifierKeyFromSpki } from '@margo-trust/tlog';
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
  for (const [action, description] of ACTIONS) {
    withReason(log.command(action), description)
      .argument('<name>', 'of the log, as in /logs/<name>/')
      .action(run((session, name: string, options: ChangeOptions) => propose(session, { action, name }, options)));
  }
  withReason(log.command('close'), 'propose that the first log takes no more statements, only records').action(
    run((session, options: ChangeOptions) => propose(session, { action: 'close' }, options)),
  );
  withReason(
    log.command('rotate-key'),
    'propose to replace a key of a log with the one that waits in the key directory',
  )
    .option('--log <origin>', 'the log; default: the first')
    .addArgument(new Argument('<purpose>').choices(['checkpoint', 'checkpoint-ml-dsa-44', 'receipt', 'sct', 'record']))
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

const ACTIONS = [
  ['open', 'propose to open another log; it takes statements once the logs before it do not'],
  ['freeze', 'propose to end a log: it takes no more entries, and is read as before'],
  ['retire', 'propose to end what a frozen log signs, so that its keys may go'],
] as const;

function withReason(command: Command, description: string): Command {
  return command
    .description(description)
    .requiredOption('--reason <text>', 'goes into the audit trail')
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
  const { action, log, purpose, key, replaces, checkpointKey, mlDsa44Key, receiptKey, sctKey } = proposed;
  return factLines({
    ...{ action, log, purpose, 'new key': key, 'as verifier key': verifierKeyOf(proposed), replaces },
    ...{ 'checkpoint key': checkpointKey, 'ML-DSA-44 key': mlDsa44Key, 'receipt key': receiptKey, 'SCT key': sctKey },
  });
}

/** As witnesses are told it: of keys of checkpoints. */
function verifierKeyOf({ log, purpose, key, checkpointKey }: LogChange): string | undefined {
  const spki = purpose?.startsWith('checkpoint') ? key : checkpointKey;
  if (spki === undefined) return undefined;
  const { name, publicKey, type } = verifierKeyFromSpki(log, parseBase64(spki));
  return encodeVerifierKey(name, publicKey, type);
}

/** An ML-DSA-44 key has 1,780 characters, which nobody reads. */
function shorten(spki: string): string {
  return spki.length <= 200 ? spki : `${spki.slice(0, 40)}…${spki.slice(-40)}`;
}

function logsOutcome(logs: LogList): Outcome {
  return { data: { logs: logs.items }, lines: logs.items.flatMap((item) => [...logLines(item), '']).slice(0, -1) };
}

function logLines({
  origin,
  path,
  state,
  size,
  takesStatements,
  closedAt,
  frozenAt,
  retiredAt,
  keys,
}: LogInfo): string[] {
  const rows = keys.map(({ purpose, fromSize, untilSize, spki }) => [
    purpose,
    `from ${fromSize} entries`,
    untilSize === undefined ? '' : `to before ${untilSize}`,
    shorten(spki),
  ]);
  const facts = {
    ...{ log: origin, files: path, state, entries: size },
    'takes statements': takesStatements ? 'yes' : undefined,
    ...{ closed: closedAt, frozen: frozenAt, retired: retiredAt },
  };
  return [...factLines(facts), ...tableLines(rows)];
}
