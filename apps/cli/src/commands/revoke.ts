import type {
  PreviewOutcome,
  RevocationDecision,
  RevocationOrder,
  RevocationPreview,
  RevocationReason,
} from '@margo-trust/wire';
import { Option, type Command } from 'commander';
import { collect, type Run } from '../command.ts';
import { factLines, tableLines, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';
import { REASONS } from './cert.ts';

export function addRevoke(program: Command, run: Run): void {
  program
    .command('revoke')
    .description(
      'revoke certificates, a key, an issuing CA, a vendor or an artifact for good; look first with --preview',
    )
    .option('--serial <hex>', 'certificate with this serial number (repeatable)', collect)
    .option('--key <sha256>', 'key, by SHA-256 of its SubjectPublicKeyInfo; never certified again')
    .option('--issuer <name>', 'all that an issuing CA has issued')
    .option('--vendor <id>', 'a vendor; with --digest, its signatures of that artifact only')
    .option('--digest <digest>', 'an artifact: sha256:…')
    .option('--issued-from <time>', 'certificates issued at that time or later; of --vendor or --issuer, if named')
    .option('--issued-until <time>', 'certificates issued before that time')
    .addOption(new Option('--reason <reason>').choices(REASONS).makeOptionMandatory())
    .option('--invalidity-date <time>', 'trust signatures before it (YYYY-MM-DDTHH:MM:SSZ); default: trust none')
    .option('--preview', 'show what stops verifying and what keeps verifying, and change nothing')
    .option('--narrow', 'trust signatures again that are refused: two members of governance must ask for the same')
    .action(run(revoke));
  program.command('revocations').description('what is revoked, the latest decision first').action(run(list));
}

interface RevokeOptions {
  serial?: readonly string[];
  key?: string;
  issuer?: string;
  vendor?: string;
  digest?: string;
  issuedFrom?: string;
  issuedUntil?: string;
  reason: RevocationReason;
  invalidityDate?: string;
  preview?: boolean;
  narrow?: boolean;
}

async function revoke(session: Session, options: RevokeOptions): Promise<Outcome> {
  const api = await session.signedInApi();
  const order = toOrder(options);
  return options.preview === true
    ? showPreview(await api.previewRevocation(order, { limit: 100 }))
    : showDecision(await api.revoke(order));
}

function toOrder({ serial, reason, invalidityDate, narrow, preview: _, ...target }: RevokeOptions): RevocationOrder {
  return {
    target: { ...target, ...(serial && { serials: serial.map((text) => text.toLowerCase().replaceAll(':', '')) }) },
    reason,
    ...(invalidityDate !== undefined && { invalidityDate }),
    ...(narrow === true && { narrow }),
  };
}

function showPreview(preview: RevocationPreview): Outcome {
  const { certificateCount, crlBytes, counts, items, next } = preview;
  const lines = factLines({
    certificates: certificateCount,
    'stop verifying': counts.stops,
    'keep verifying': counts.keeps,
    'refused already': counts.refused,
    'CRLs grow by': `${crlBytes} bytes`,
  });
  const rows = items.map((item) => [
    WORDS[item.outcome],
    item.index,
    item.registeredAt,
    item.applicationId === undefined ? item.subject : `${item.applicationId} ${item.version ?? ''}`.trim(),
  ]);
  const more = next === undefined ? [] : ['… and older ones.'];
  return { data: { preview }, lines: [...lines, ...(rows.length > 0 ? ['', ...tableLines(rows), ...more] : [])] };
}

function showDecision(decision: RevocationDecision): Outcome {
  const { decided, votes, items } = decision;
  const [first] = items;
  const lines = factLines({
    revoked:
      first === undefined
        ? undefined
        : items.length === 1
          ? `${first.kind} ${first.target}`
          : `${decided} certificates`,
    decided:
      decided > 0
        ? undefined
        : votes === undefined
          ? 'nothing: it held already'
          : 'not yet: another member must ask for the same',
    votes,
    reason: first?.reason,
    since: first?.revokedAt,
    refused: first?.invalidityDate === undefined ? undefined : `signatures from ${first.invalidityDate} on`,
    record: first?.entryId,
  });
  return { data: { decision }, lines };
}

async function list(session: Session): Promise<Outcome> {
  const { items } = await (await session.api()).listRevocations({ limit: 100 });
  const rows = items.map(({ kind, target, reason, revokedAt, invalidityDate }) => [
    kind,
    target,
    reason,
    revokedAt,
    ...(invalidityDate === undefined ? [] : [`from ${invalidityDate} on`]),
  ]);
  return { data: { revocations: items }, lines: rows.length > 0 ? tableLines(rows) : ['Nothing is revoked.'] };
}

const WORDS: Readonly<Record<PreviewOutcome, string>> = { stops: 'stops', keeps: 'keeps', refused: 'refused already' };
