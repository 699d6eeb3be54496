import type { ClaimConstraint, WorkloadBinding } from '@margo-trust/wire';
import type { Command } from 'commander';
import { collect, type Run } from '../command.ts';
import { CliFault } from '../fault.ts';
import { factLines, tableLines, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';
import { onlyVendor } from './cert.ts';

export function addWorkload(program: Command, run: Run): void {
  const workload = program.command('workload').description('builds that may have certificates of a vendor');
  workload
    .command('bind')
    .description('let builds have certificates, each for a day; for owners')
    .argument('<subject>', 'sub of their tokens; a * at the end of a segment stands for the rest of it')
    .option('--issuer <issuer>', 'iss of their tokens: an address, or github or gitlab', 'github')
    .option('--claim <name=value>', 'what another claim must be (repeatable)', collect)
    .option('--vendor <id>', 'default: your only vendor')
    .action(run(bind));
  workload
    .command('list')
    .description('which builds may')
    .argument('[vendor]', 'id; default: your only vendor')
    .action(run(list));
  workload
    .command('unbind')
    .description('let them have no more')
    .argument('<binding>', 'id, as list shows it')
    .option('--vendor <id>', 'default: your only vendor')
    .action(run(unbind));
}

interface BindOptions {
  issuer: string;
  claim?: readonly string[];
  vendor?: string;
}

async function bind(session: Session, subject: string, { issuer, claim, vendor }: BindOptions): Promise<Outcome> {
  const claims = claim?.map(readClaim);
  const api = await session.signedInApi();
  const binding = await api.bindWorkload(vendor ?? (await onlyVendor(api)), {
    issuer: FORGES[issuer] ?? issuer,
    subject,
    ...(claims && { claims }),
  });
  const lines = factLines({
    ...{ binding: binding.id, issuer: binding.issuer, subject, claims: claimsText(binding) },
    ...{ 'token audience': binding.audience, record: binding.entryId },
  });
  return { data: { binding }, lines };
}

async function list(session: Session, vendor: string | undefined): Promise<Outcome> {
  const api = vendor === undefined ? await session.signedInApi() : await session.api();
  const { items } = await api.listWorkloadBindings(vendor ?? (await onlyVendor(api)));
  const rows = items.map((binding) => [binding.id, binding.subject, binding.issuer, claimsText(binding) ?? '']);
  return { data: { bindings: items }, lines: rows.length > 0 ? tableLines(rows) : ['No builds are bound.'] };
}

async function unbind(session: Session, binding: string, { vendor }: { vendor?: string }): Promise<Outcome> {
  const api = await session.signedInApi();
  await api.unbindWorkload(vendor ?? (await onlyVendor(api)), binding);
  return { data: { ended: binding }, lines: [`${binding} has ended.`] };
}

function readClaim(text: string): ClaimConstraint {
  const [, name, value] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new CliFault('cli/bad-usage', `${text} is no claim.`, 'Write it as name=value.');
  }
  return { name, value };
}

function claimsText({ claims }: WorkloadBinding): string | undefined {
  return claims.map(({ name, value }) => `${name}=${value}`).join(', ') || undefined;
}

const FORGES: Readonly<Record<string, string>> = {
  github: 'https://token.actions.githubusercontent.com',
  gitlab: 'https://gitlab.com',
};
