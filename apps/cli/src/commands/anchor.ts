import { encodeBase64, parseUtf8 } from '@margo-trust/bytes';
import type { RegistryApi } from '@margo-trust/client';
import {
  ANCHOR_PURPOSES,
  type Anchor,
  type AnchorPurpose,
  type AnchorRequest,
  type AnchorSubject,
} from '@margo-trust/wire';
import { parsePem } from '@margo-trust/x509';
import { Option, type Command } from 'commander';
import { collect, type Run } from '../command.ts';
import { CliFault } from '../fault.ts';
import { readInput } from '../files.ts';
import { factLines, tableLines, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';
import { onlyVendor } from './cert.ts';

export function addAnchor(program: Command, run: Run): void {
  const anchor = program.command('anchor').description('CAs of vendors’ own: propose, decide, list');
  anchor
    .command('propose')
    .description('propose a CA, or a signing certificate, of your own; for owners, and governance on behalf')
    .argument('<certificate>', 'file: PEM or DER')
    .addOption(purpose().default('artifact-signing'))
    .option('--application-id <prefix>', 'what it may sign (repeatable); default: all that the vendor may', collect)
    .option('--namespace <path>', 'host and repository path below which (repeatable); default likewise', collect)
    .option(
      '--subject <name=value>',
      'what its certificates are called: C, ST, L, O, OU, CN, uri or dns (repeatable)',
      collect,
    )
    .option('--from <time>', 'YYYY-MM-DDTHH:MM:SSZ; default: now')
    .option('--until <time>', 'default: the end of the certificate')
    .option('--vendor <id>', 'default: your only vendor')
    .option('--preview', 'say what speaks against it, and propose nothing')
    .option('--reason <text>', 'why; governance reads it', 'A CA of our own.')
    .action(run(propose));
  anchor
    .command('list')
    .description('the anchors in force, or all of one vendor')
    .argument('[vendor]', 'id')
    .addOption(purpose())
    .action(run(list));
  anchor.command('proposals').description('what waits for governance').action(run(listProposals));
  anchor.command('show').description('one of them').argument('<anchor>', 'id').action(run(show));
  anchor
    .command('approve')
    .description('approve a proposed anchor, as governance; the second approval registers it')
    .argument('<anchor>', 'id')
    .option('--note <text>', 'why; goes into the audit trail', 'Approved.')
    .action(
      run(async (session, id: string, { note }: { note: string }) =>
        outcomeOf(await (await session.signedInApi()).approveAnchor(id, note)),
      ),
    );
  anchor
    .command('withdraw')
    .description('admit nothing under it any more; what was signed before stands. For a lost key: revoke key')
    .argument('<anchor>', 'id')
    .requiredOption('--reason <text>', 'goes into the audit trail')
    .action(
      run(async (session, id: string, { reason }: { reason: string }) =>
        outcomeOf(await (await session.signedInApi()).withdrawAnchor(id, reason)),
      ),
    );
}

function purpose(): Option {
  return new Option('--purpose <purpose>', 'what it is for').choices(ANCHOR_PURPOSES);
}

interface ProposeOptions {
  purpose: AnchorPurpose;
  applicationId?: readonly string[];
  namespace?: readonly string[];
  subject?: readonly string[];
  from?: string;
  until?: string;
  vendor?: string;
  preview?: boolean;
  reason: string;
}

async function propose(session: Session, file: string, options: ProposeOptions): Promise<Outcome> {
  const certificate = await readCertificate(file);
  const api = await session.signedInApi();
  const vendor = options.vendor ?? (await onlyVendor(api));
  const request = await requestFor(api, vendor, certificate, options);
  if (options.preview !== true) return outcomeOf(await api.proposeAnchor(vendor, request));
  const preview = await api.previewAnchor(vendor, request);
  const { findings, fingerprint, certificateSubject, validFrom, validUntil } = preview;
  const facts = factLines({ certificate: certificateSubject, fingerprint, from: validFrom, until: validUntil });
  const lines = findings.length > 0 ? findings.map((finding) => `- ${finding}`) : ['Nothing speaks against it.'];
  return { data: { preview }, lines: [...facts, '', ...lines] };
}

/** What is not said is as wide as it may be: all of the vendor's claims, and its name. */
async function requestFor(
  api: RegistryApi,
  vendorId: string,
  certificate: string,
  options: ProposeOptions,
): Promise<AnchorRequest> {
  const { subject: own, claims } = await api.loadVendor(vendorId);
  const isSigning = options.purpose === 'artifact-signing';
  const { applicationId, namespace } = options;
  const narrowed = applicationId !== undefined || namespace !== undefined;
  return {
    certificate,
    purpose: options.purpose,
    ...(isSigning && {
      claims: narrowed
        ? { applicationIdPrefixes: [...(applicationId ?? [])], ociNamespaces: [...(namespace ?? [])] }
        : claims,
    }),
    subject: { ...(isSigning ? own : { O: own.O }), ...readSubject(options.subject ?? []) },
    ...(options.from !== undefined && { validFrom: options.from }),
    ...(options.until !== undefined && { validUntil: options.until }),
    reason: options.reason,
  };
}

async function list(
  session: Session,
  vendor: string | undefined,
  { purpose: wanted }: { purpose?: AnchorPurpose },
): Promise<Outcome> {
  const api = await session.memberApi();
  const items = vendor === undefined ? await inForce(api, wanted) : (await api.listAnchorsOf(vendor)).items;
  return listOutcome(items.filter((one) => wanted === undefined || one.purpose === wanted));
}

async function inForce(api: RegistryApi, wanted: AnchorPurpose | undefined): Promise<Anchor[]> {
  const found: Anchor[] = [];
  let after: string | undefined;
  do {
    const page = await api.listAnchors({
      limit: 100,
      ...(wanted !== undefined && { purpose: wanted }),
      ...(after !== undefined && { after }),
    });
    found.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return found;
}

async function listProposals(session: Session): Promise<Outcome> {
  return listOutcome((await (await session.signedInApi()).listAnchorProposals()).items);
}

async function show(session: Session, id: string): Promise<Outcome> {
  return outcomeOf(await (await session.memberApi()).loadAnchor(id));
}

function listOutcome(anchors: readonly Anchor[]): Outcome {
  const rows = anchors.map(({ id, state, purpose: of, vendorId, certificateSubject, validUntil }) => [
    ...[id, state, of, vendorId, validUntil, certificateSubject],
  ]);
  return { data: { anchors }, lines: rows.length > 0 ? tableLines(rows) : ['There are none.'] };
}

function outcomeOf(anchor: Anchor): Outcome {
  const { claims, subject } = anchor;
  const lines = factLines({
    ...{ anchor: anchor.id, state: anchor.state, purpose: anchor.purpose, vendor: anchor.vendorId },
    ...{ certificate: anchor.certificateSubject, fingerprint: anchor.fingerprint },
    'application ids': claims.applicationIdPrefixes.map((prefix) => `${prefix}…`).join(', ') || undefined,
    namespaces: claims.ociNamespaces.join(', ') || undefined,
    subject: Object.entries(subject)
      .map(([name, value]) => `${name}=${String(value)}`)
      .join(', '),
    ...{ from: anchor.validFrom, until: anchor.validUntil, reason: anchor.reason },
    approvals: anchor.approvals?.map(({ by }) => by).join(', ') || undefined,
    record: anchor.entryId,
    withdrawn: anchor.withdrawnAt,
  });
  return { data: { anchor }, lines };
}

/** As the registry takes it: PEM, or DER in base64. */
async function readCertificate(file: string): Promise<string> {
  const bytes = await readInput(file, 'certificate', 65_536);
  const isPem = bytes[0] !== 0x30;
  if (!isPem) return encodeBase64(bytes);
  const [der, ...others] = parsePem('CERTIFICATE', parseUtf8(bytes));
  if (der === undefined || others.length > 0) {
    throw new CliFault('cli/bad-usage', `${file} holds more than one certificate.`, 'Give the CA alone.');
  }
  return encodeBase64(der);
}

const SUBJECT_MEMBERS = ['C', 'ST', 'L', 'O', 'OU', 'CN', 'uri', 'dns'] as const;

function readSubject(texts: readonly string[]): AnchorSubject {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, value] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
      if (value === undefined || !SUBJECT_MEMBERS.some((known) => known === name)) {
        const names = SUBJECT_MEMBERS.join(', ');
        throw new CliFault(
          'cli/bad-usage',
          `${text} is no part of a subject.`,
          `Write name=value, with one of ${names}.`,
        );
      }
      return [name, value];
    }),
  );
}
