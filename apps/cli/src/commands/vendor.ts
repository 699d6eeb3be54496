import type { RegistryApi } from '@margo-trust/client';
import type { Persona, Vendor } from '@margo-trust/wire';
import { Option, type Command } from 'commander';
import { collect, type Run } from '../command.ts';
import { CliFault } from '../fault.ts';
import { factLines, tableLines, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';

export function addVendor(program: Command, run: Run): void {
  const vendor = program.command('vendor').description('apply as a vendor; decide about vendors');
  vendor
    .command('apply')
    .description('apply as a vendor; you become its owner')
    .requiredOption('--legal-name <name>', 'as in the commercial register: O of the certificates')
    .requiredOption('--country <code>', 'two letters, ISO 3166')
    .requiredOption('--state <name>', 'state or province')
    .requiredOption('--security-contact <contact>', 'e-mail address or https page for vulnerability reports')
    .option('--application-id-prefix <prefix>', 'application ids begin with it (repeatable)', collect)
    .option('--oci-namespace <namespace>', 'registry.example/acme: where you publish (repeatable)', collect)
    .addOption(new Option('--persona <persona>', 'what you supply (repeatable)').choices(PERSONAS).argParser(persona))
    .option('--website <url>')
    .action(run(apply));
  vendor
    .command('status')
    .description('your vendors, or one vendor')
    .argument('[vendor]', 'id or legal name')
    .action(run(status));
  vendor
    .command('approve')
    .description('approve a vendor, as a member of governance; the second approval admits it')
    .argument('<vendor>', 'id or legal name')
    .option('--note <text>', 'why; goes on record', 'Approved.')
    .action(
      run((session, name: string, { note }: { note: string }) =>
        decide(session, name, (api, id) => api.approveVendor(id, note)),
      ),
    );
  vendor
    .command('suspend')
    .description('suspend a vendor at once, as a member of governance')
    .argument('<vendor>', 'id or legal name')
    .requiredOption('--reason <text>', 'goes on record')
    .action(
      run((session, name: string, { reason }: { reason: string }) =>
        decide(session, name, (api, id) => api.suspendVendor(id, reason)),
      ),
    );
  vendor
    .command('reinstate')
    .description('lift a suspension, as a member of governance')
    .argument('<vendor>', 'id or legal name')
    .action(run((session, name: string) => decide(session, name, (api, id) => api.reinstateVendor(id))));
}

interface ApplyOptions {
  legalName: string;
  country: string;
  state: string;
  securityContact: string;
  applicationIdPrefix?: readonly string[];
  ociNamespace?: readonly string[];
  persona?: readonly Persona[];
  website?: string;
}

async function apply(session: Session, options: ApplyOptions): Promise<Outcome> {
  const { legalName, country, state, securityContact, applicationIdPrefix, ociNamespace, persona, website } = options;
  const vendor = await (
    await session.signedInApi()
  ).applyAsVendor({
    legalName,
    country,
    state,
    securityContact,
    personas: [...(persona ?? ['workload-supplier' as const])],
    claims: { applicationIdPrefixes: [...(applicationIdPrefix ?? [])], ociNamespaces: [...(ociNamespace ?? [])] },
    ...(website !== undefined && { website }),
  });
  return vendorOutcome(vendor);
}

async function status(session: Session, name: string | undefined): Promise<Outcome> {
  if (name !== undefined) return vendorOutcome(await findVendor(await session.api(), name));
  const api = await session.signedInApi();
  const own = (await api.me()).memberships.filter(({ organisation }) => organisation !== 'margo');
  const ids = [...new Set(own.map(({ organisation }) => organisation))];
  const vendors = await Promise.all(ids.map((id) => api.loadVendor(id)));
  const [only, ...others] = vendors;
  if (only && others.length === 0) return vendorOutcome(only);
  const rows = vendors.map(({ id, status: standing, legalName }) => [id, standing, legalName]);
  return { data: { vendors }, lines: rows.length > 0 ? tableLines(rows) : ['You are a member of no vendor yet.'] };
}

async function decide(
  session: Session,
  name: string,
  decision: (api: RegistryApi, id: string) => Promise<Vendor>,
): Promise<Outcome> {
  const api = await session.signedInApi();
  return vendorOutcome(await decision(api, (await findVendor(api, name)).id));
}

/** By id, or by legal name if only one vendor has it. */
async function findVendor(api: RegistryApi, name: string): Promise<Vendor> {
  if (/^[0-9a-hjkmnp-tv-z]{26}$/i.test(name)) return api.loadVendor(name.toLowerCase());
  const found: Vendor[] = [];
  let before: string | undefined;
  do {
    const page = await api.listVendors({ limit: 100, ...(before !== undefined && { before }) });
    found.push(...page.items.filter(({ legalName }) => legalName === name));
    before = page.next;
  } while (before !== undefined);
  const [only, ...others] = found;
  if (!only) {
    throw new CliFault('cli/not-found', `There is no vendor called ${name}.`, 'margo-trust vendor status shows yours.');
  }
  if (others.length > 0) {
    const ids = found.map(({ id }) => id).join(', ');
    throw new CliFault('cli/ambiguous', `${found.length} vendors are called ${name}.`, `Give an id: ${ids}.`);
  }
  return only;
}

function vendorOutcome(vendor: Vendor): Outcome {
  const { id, legalName, status: standing, uri, claims, approvals, suspensionReason, recordEntryId } = vendor;
  const lines = factLines({
    vendor: id,
    name: legalName,
    status: standing,
    uri,
    'application ids': claims.applicationIdPrefixes.map((prefix) => `${prefix}…`).join(', ') || undefined,
    namespaces: claims.ociNamespaces.join(', ') || undefined,
    approvals: approvals?.map(({ by }) => by).join(', ') || undefined,
    suspended: suspensionReason,
    record: recordEntryId,
  });
  return { data: { vendor }, lines };
}

function persona(value: string, before: readonly Persona[] | undefined): readonly Persona[] {
  const known = PERSONAS.find((candidate) => candidate === value);
  if (!known) throw new CliFault('cli/bad-usage', `${value} is no persona.`, `Choose of ${PERSONAS.join(', ')}.`);
  return [...(before ?? []), known];
}

/** As the registry has them; named here so that the tool does not carry the registry's validation along. */
const PERSONAS: readonly Persona[] = [
  'workload-supplier',
  'device-supplier',
  'fleet-management-supplier',
  'platform-supplier',
];
