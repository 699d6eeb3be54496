import {
  encodeCertificateRequest,
  makePrivateKey,
  openPrivateKey,
  type PrivateKeyType,
  type RegistryApi,
} from '@margo-trust/client';
import type { Certificate, RevocationReason } from '@margo-trust/wire';
import { Option, type Command } from 'commander';
import type { Run } from '../command.ts';
import { CliFault } from '../fault.ts';
import { readTextInput, writeOutput, writeSecret } from '../files.ts';
import { DEFAULT_CHAIN, DEFAULT_KEY, keyPassphrase } from '../key-files.ts';
import { factLines, tableLines, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';

export function addCert(program: Command, run: Run): void {
  const cert = program.command('cert').description('signing certificates of a vendor');
  cert
    .command('request')
    .description('make a key, unless there is one, and have it certified')
    .option('--vendor <id>', 'default: the only vendor you may do this for')
    .option('--key <file>', 'private key; made with mode 0600 if there is none', DEFAULT_KEY)
    .option('--chain <file>', 'where the certificate and those above it go', DEFAULT_CHAIN)
    .addOption(new Option('--key-type <type>', 'of a new key').choices(['P-256', 'P-384', 'RSA-3072']).default('P-256'))
    .option('--common-name <name>', 'CN of the certificate')
    .action(run(request));
  cert
    .command('list')
    .description('certificates of a vendor')
    .argument('[vendor]', 'id; default: your only vendor')
    .action(run(list));
  cert
    .command('revoke')
    .description('revoke a certificate for good')
    .argument('<serial>', 'serial number, hex')
    .addOption(new Option('--reason <reason>').choices(REASONS).makeOptionMandatory())
    .option('--invalidity-date <time>', 'trust signatures before it (YYYY-MM-DDTHH:MM:SSZ); default: trust none')
    .action(run(revoke));
}

interface RequestOptions {
  vendor?: string;
  key: string;
  chain: string;
  keyType: PrivateKeyType;
  commonName?: string;
}

async function request(session: Session, options: RequestOptions): Promise<Outcome> {
  const api = await session.signedInApi();
  const vendorId = options.vendor ?? (await onlyVendor(api));
  const { pem, isNew } = await readOrMakeKey(options);
  const csr = await encodeCertificateRequest(openPrivateKey(pem, keyPassphrase(session.io)));
  const { commonName } = options;
  const certificate = await api.requestCertificate(vendorId, { csr, ...(commonName !== undefined && { commonName }) });
  await writeOutput(options.chain, certificate.chain);
  const facts = {
    ...certificateFacts(certificate),
    key: `${options.key}${isNew ? ' (new)' : ''}`,
    chain: options.chain,
  };
  return {
    data: { certificate, keyFile: options.key, chainFile: options.chain, keyIsNew: isNew },
    lines: factLines(facts),
  };
}

async function list(session: Session, vendor: string | undefined): Promise<Outcome> {
  const api = vendor === undefined ? await session.signedInApi() : await session.api();
  const { items } = await api.listCertificates(vendor ?? (await onlyVendor(api)), { limit: 100 });
  const rows = items.map(({ serial, status, notAfter, subject }) => [serial, status, notAfter, subject]);
  return { data: { certificates: items }, lines: rows.length > 0 ? tableLines(rows) : ['No certificates yet.'] };
}

async function revoke(
  session: Session,
  serial: string,
  { reason, invalidityDate }: { reason: RevocationReason; invalidityDate?: string },
): Promise<Outcome> {
  const api = await session.signedInApi();
  const wanted = serial.toLowerCase().replaceAll(':', '');
  const revocation = await api.revokeCertificate(wanted, {
    reason,
    ...(invalidityDate !== undefined && { invalidityDate }),
  });
  const lines = factLines({
    revoked: revocation.serial,
    reason: revocation.reason,
    since: revocation.revokedAt,
    refused:
      revocation.invalidityDate === undefined ? 'all its signatures' : `those from ${revocation.invalidityDate} on`,
    record: revocation.entryId,
  });
  return { data: { revocation }, lines };
}

async function readOrMakeKey({ key, keyType }: RequestOptions): Promise<{ pem: string; isNew: boolean }> {
  try {
    return { pem: await readTextInput(key, 'private key', 65_536), isNew: false };
  } catch (error) {
    if (!(error instanceof CliFault) || error.code !== 'cli/no-such-file') throw error;
  }
  const pem = makePrivateKey(keyType);
  await writeSecret(key, pem);
  return { pem, isNew: true };
}

/** The vendor meant when none is named. */
async function onlyVendor(api: RegistryApi): Promise<string> {
  const { memberships } = await api.me();
  const ids = [...new Set(memberships.map(({ organisation }) => organisation))].filter((id) => id !== 'margo');
  const [only, ...others] = ids;
  if (only === undefined) {
    throw new CliFault('cli/not-found', 'You are a member of no vendor.', 'Apply first: margo-trust vendor apply.');
  }
  if (others.length > 0) {
    throw new CliFault(
      'cli/ambiguous',
      `You are a member of ${ids.length} vendors.`,
      `Name one of them: ${ids.join(', ')}.`,
    );
  }
  return only;
}

function certificateFacts({ serial, subject, notAfter, fingerprint, entryId }: Certificate): Record<string, string> {
  return { certificate: serial, subject, 'valid until': notAfter, fingerprint, record: entryId };
}

/** As the registry has them. */
export const REASONS: readonly RevocationReason[] = [
  'unspecified',
  'keyCompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'privilegeWithdrawn',
];
