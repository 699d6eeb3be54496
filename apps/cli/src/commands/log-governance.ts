import { parseJson } from '@margo-trust/bytes';
import type { LoggedPolicy, PolicyDocument, PolicyState, WithholdingState } from '@margo-trust/wire';
import type { Command } from 'commander';
import type { Run } from '../command.ts';
import { readInput } from '../files.ts';
import { factLines, tableLines, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';

/** What governance, and for restrictions a vendor's owner, decide about the log. */
export function addLogGovernance(log: Command, run: Run): void {
  const policy = log.command('policy').description('what the log admits from vendors; change it as governance');
  policy.command('show').description('the policy in force, and those before it').action(run(showPolicy));
  policy.command('proposals').description('what waits for a second member').action(run(listProposals));
  policy
    .command('propose')
    .description('propose the next policy; another member’s approval adopts it')
    .argument('<file>', 'the whole policy as JSON; begin with `log policy show --json`')
    .requiredOption('--reason <text>', 'goes into the audit trail')
    .action(run(propose));
  policy
    .command('approve')
    .description('approve a proposed policy: it is logged, and counts from that entry on')
    .argument('<proposal>', 'id of the proposal')
    .option('--note <text>', 'why; goes into the audit trail', 'Approved.')
    .action(run(approve));
  log
    .command('restrict')
    .description('keep a statement’s payload for its vendor and governance, as an owner of the vendor or as governance')
    .argument('<entry>', 'index or EntryID')
    .requiredOption('--reason <text>', 'becomes public')
    .action(
      run(async (session, entry: string, { reason }: { reason: string }) =>
        withholdingOutcome(await (await session.signedInApi()).restrictStatement(entry, reason)),
      ),
    );
  log
    .command('release')
    .description('show a restricted statement to everybody again, as governance')
    .argument('<entry>', 'index or EntryID')
    .action(
      run(async (session, entry: string) =>
        withholdingOutcome(await (await session.signedInApi()).releaseStatement(entry)),
      ),
    );
  log
    .command('erase')
    .description('vote to erase a statement for good, as governance; the second vote erases it')
    .argument('<entry>', 'index or EntryID')
    .requiredOption('--reason <text>', 'becomes public: do not repeat what is to be erased')
    .action(run(erase));
}

async function showPolicy(session: Session): Promise<Outcome> {
  const state = await (await session.api()).registrationPolicy();
  const { current, history } = state;
  const lines = [...policyLines(current), '', ...JSON.stringify(current.policy, null, 2).split('\n')];
  if (history.length > 0) {
    const rows = history.map(({ policy, index, decidedAt }) => [
      `version ${policy.version}`,
      `from ${index}`,
      decidedAt,
    ]);
    lines.push('', 'Before:', ...tableLines(rows));
  }
  return { data: { ...state }, lines };
}

async function listProposals(session: Session): Promise<Outcome> {
  const { items } = await (await session.signedInApi()).listPolicyProposals();
  const rows = items.map(({ id, policy, proposedBy, proposedAt, reason }) => [
    ...[id, `version ${policy.version}`, proposedBy, proposedAt, reason],
  ]);
  return { data: { proposals: items }, lines: rows.length === 0 ? ['Nothing is proposed.'] : tableLines(rows) };
}

async function propose(session: Session, file: string, { reason }: { reason: string }): Promise<Outcome> {
  const document = parseJson(await readInput(file, 'policy', 65_536)) as PolicyDocument; // judged by the registry
  const proposal = await (await session.signedInApi()).proposePolicy(document, reason);
  const { id, policy, proposedBy } = proposal;
  const next = `margo-trust log policy approve ${id}`;
  return {
    data: { proposal },
    lines: factLines({ proposal: id, version: policy.version, by: proposedBy, 'another member': next }),
  };
}

async function approve(session: Session, id: string, { note }: { note: string }): Promise<Outcome> {
  const state: PolicyState = await (await session.signedInApi()).approvePolicy(id, note);
  return { data: { ...state }, lines: policyLines(state.current) };
}

async function erase(session: Session, entry: string, { reason }: { reason: string }): Promise<Outcome> {
  const decision = await (await session.signedInApi()).eraseStatement(entry, reason);
  const { data, lines } = withholdingOutcome(decision);
  return { data, lines: [...lines, ...factLines({ votes: `${decision.votes} of 2` })] };
}

function policyLines({ index, entryId, decidedAt, policy }: LoggedPolicy): string[] {
  return factLines({ version: policy.version, 'counts from': index, entry: entryId, since: decidedAt });
}

function withholdingOutcome(state: WithholdingState): Outcome {
  const { entryId, index, withheld } = state;
  const { kind = 'public', reason, recordEntryId, at } = withheld ?? {};
  return {
    data: { ...state },
    lines: factLines({ index, entry: entryId, statement: kind, reason, since: at, record: recordEntryId }),
  };
}
