import { existsSync } from 'node:fs';
import {
  encodeCertificateRequest,
  exchangeIdentityToken,
  makePrivateKey,
  openPrivateKey,
  type PrivateKeyType,
  type RegistryApi,
  RegistryFault,
} from '@margo-trust/client';
import { areEqualBytes } from '@margo-trust/bytes';
import type { Certificate, RevocationReason } from '@margo-trust/wire';
import { type Certificate as ParsedCertificate, parseCertificate, parseCsr, parsePem } from '@margo-trust/x509';
import { Option, type Command } from 'commander';
import type { Run } from '../command.ts';
import { CliFault } from '../fault.ts';
import { moveFile, readTextInput, writeOutput, writeSecret } from '../files.ts';
import { DEFAULT_CHAIN, DEFAULT_KEY, keyPassphrase } from '../key-files.ts';
import { factLines, tableLines, timeText, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';

export function addCert(program: Command, run: Run): void {
  const cert = program.command('certificate').alias('cert').description('signing certificates of a vendor');
  cert
    .command('request')
    .description('make a key, unless there is one, and have it certified; a build gives its identity token')
    .option('--identity-token <file>', 'of a build, or - for MARGO_TRUST_IDENTITY_TOKEN: a certificate for a day')
    .option('--csr <file>', 'certification request of a key that lies elsewhere, such as in a token')
    .option('--attestation <file>', 'proof of a device that it made that key and keeps it')
    .option('--vendor <id>', 'default: the only vendor you may do this for')
    .option('--key <file>', 'private key; made with mode 0600 if there is none', DEFAULT_KEY)
    .option('--chain <file>', 'where the certificate and those above it go', DEFAULT_CHAIN)
    .addOption(new Option('--key-type <type>', 'of a new key').choices(['P-256', 'P-384', 'RSA-3072']).default('P-256'))
    .option('--common-name <name>', 'CN of the certificate')
    .action(run(request));
  cert
    .command('renew')
    .description('make a new key and have it certified; the old one goes on beside it until it ends')
    .option('--vendor <id>', 'default: that of the certificate there is')
    .option('--key <file>', 'private key; the old one is kept as <file>.<serial>', DEFAULT_KEY)
    .option('--chain <file>', 'certificate and those above it; likewise', DEFAULT_CHAIN)
    .addOption(new Option('--key-type <type>').choices(['P-256', 'P-384', 'RSA-3072']).default('P-256'))
    .option('--common-name <name>', 'CN of the certificate')
    .action(run(renew));
  cert.command('show').description('one certificate').argument('<serial>', 'serial number, hex').action(run(show));
  cert
    .command('download')
    .description('a certificate with those above it, PEM')
    .argument('<serial>', 'serial number, hex')
    .option('--out <file>', 'where it goes', DEFAULT_CHAIN)
    .action(run(download));
  cert
    .command('list')
    .description('certificates of a vendor, and which of them to renew')
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
  identityToken?: string;
  csr?: string;
  attestation?: string;
  vendor?: string;
  key: string;
  chain: string;
  keyType: PrivateKeyType;
  commonName?: string;
}

async function request(session: Session, options: RequestOptions): Promise<Outcome> {
  if (options.identityToken !== undefined) return requestForBuild(session, options, options.identityToken);
  const api = await session.signedInApi();
  const vendorId = options.vendor ?? (await onlyVendor(api));
  const own = options.csr === undefined ? await readOrMakeKey(options) : undefined;
  const { commonName, attestation } = options;
  const csr =
    options.csr === undefined
      ? await encodeCertificateRequest(openPrivateKey(own?.pem ?? '', keyPassphrase(session.io)))
      : await readTextInput(options.csr, 'certification request', 65_536);
  const order = {
    csr,
    ...(commonName !== undefined && { commonName }),
    ...(attestation !== undefined && { attestation: await readTextInput(attestation, 'attestation', 65_536) }),
  };
  const certificate = await api.requestCertificate(vendorId, order).catch(async (error: unknown) => {
    if (!(error instanceof RegistryFault) || error.code !== 'certificate/key-used') throw error;
    const found = await findCertified(api, vendorId, csr);
    if (found === undefined) throw error;
    return found;
  });
  await writeOutput(options.chain, certificate.chain);
  const facts = {
    ...certificateFacts(certificate),
    ...(own && { key: `${options.key}${own.isNew ? ' (new)' : ''}` }),
    chain: options.chain,
  };
  const { key: keyFile, chain: chainFile } = options;
  return {
    data: { certificate, chainFile, ...(own && { keyFile, keyIsNew: own.isNew }) },
    lines: factLines(facts),
  };
}

/** The valid certificate that the vendor has for the key of this request: the answer to an earlier one was lost. */
async function findCertified(api: RegistryApi, vendorId: string, csr: string): Promise<Certificate | undefined> {
  const [der = new Uint8Array()] = parsePem('CERTIFICATE REQUEST', csr.replaceAll('NEW CERTIFICATE', 'CERTIFICATE'));
  const { spki } = parseCsr(der);
  for (let before: string | undefined; ;) {
    const page = await api.listCertificates(vendorId, { limit: 100, ...(before !== undefined && { before }) });
    const found = page.items.find(
      ({ status, certificate }) => status === 'valid' && areEqualBytes(readLeaf(certificate).spki, spki),
    );
    if (found !== undefined || page.next === undefined) return found;
    before = page.next;
  }
}

/** The build is the vendor's by what an owner has bound: nobody signs in, and no vendor is named. */
async function requestForBuild(session: Session, options: RequestOptions, source: string): Promise<Outcome> {
  const identityToken = await readIdentityToken(session, source);
  const { pem, isNew } = await readOrMakeKey(options);
  const csr = await encodeCertificateRequest(openPrivateKey(pem, keyPassphrase(session.io)));
  const { url, plainHttp } = { url: await session.registryUrl(), plainHttp: session.plainHttp };
  const { leaf, chain } = await exchangeIdentityToken({ url, plainHttp, identityToken, csr });
  await writeOutput(options.chain, chain);
  const { serialHex: serial, fingerprint, uriSans, notAfter } = leaf;
  const lines = factLines({
    ...{ certificate: serial, vendor: uriSans[0], 'valid until': timeText(notAfter), fingerprint },
    ...{ key: `${options.key}${isNew ? ' (new)' : ''}`, chain: options.chain },
  });
  const certificate = { serial, fingerprint, uri: uriSans[0], notAfter };
  return { data: { certificate, keyFile: options.key, chainFile: options.chain, keyIsNew: isNew }, lines };
}

/** Tokens do not stand on command lines, which show up in lists of processes. */
async function readIdentityToken({ io }: Session, source: string): Promise<string> {
  if (source !== '-') return (await readTextInput(source, 'identity token', 65_536)).trim();
  const given = io.env['MARGO_TRUST_IDENTITY_TOKEN'];
  if (given) return given;
  throw new CliFault('cli/not-found', 'There is no identity token.', 'Set MARGO_TRUST_IDENTITY_TOKEN, or name a file.');
}

/**
 * The next key is made beside the one in use, so that a renewal that breaks off leaves that one as it was, and goes on where it
 * stopped when it is asked again. Only a certificate in hand moves the two.
 */
async function renew(session: Session, options: RequestOptions): Promise<Outcome> {
  const { key, chain } = options;
  const oldChain = await readTextInput(chain, 'certificate chain', 262_144);
  const old = readLeaf(oldChain);
  const next = { key: `${key}.next`, chain: `${chain}.next` };
  const kept = { key: `${key}.${old.serialHex}`, chain: `${chain}.${old.serialHex}` };
  if (!existsSync(next.chain)) {
    const vendor = options.vendor ?? vendorOf(old.uriSans[0]);
    await request(session, { ...options, ...next, ...(vendor !== undefined && { vendor }) });
  }
  const leaf = readLeaf(await readTextInput(next.chain, 'certificate chain', 262_144));
  await writeOutput(kept.chain, oldChain);
  if (!existsSync(kept.key)) await moveFile(key, kept.key);
  if (existsSync(next.key)) await moveFile(next.key, key);
  await moveFile(next.chain, chain);

  const { serialHex: serial, fingerprint, notAfter } = leaf;
  const lines = factLines({
    ...{ certificate: serial, 'valid until': timeText(notAfter), fingerprint, key, chain },
    ...{ 'old certificate': `${old.serialHex}, valid until ${timeText(old.notAfter)}`, 'old key': kept.key },
  });
  const before = { serial: old.serialHex, notAfter: old.notAfter, keyFile: kept.key, chainFile: kept.chain };
  return { data: { certificate: { serial, fingerprint, notAfter }, keyFile: key, chainFile: chain, before }, lines };
}

function readLeaf(chain: string): ParsedCertificate {
  const [der = new Uint8Array()] = parsePem('CERTIFICATE', chain);
  return parseCertificate(der);
}

/** The id in a vendor's URI. */
function vendorOf(uri: string | undefined): string | undefined {
  return /^https:\/\/([0-9a-z]{26})\.vendors\./.exec(uri ?? '')?.[1];
}

async function show(session: Session, serial: string): Promise<Outcome> {
  const certificate = await (await session.api()).loadCertificate(plainSerial(serial));
  const { assurance, workload, status, renewAfter, revokedAt, revocationReason } = certificate;
  const lines = factLines({
    ...certificateFacts(certificate),
    class: CLASSES[assurance],
    build: workload && `${workload.subject} (${workload.issuer})`,
    status,
    'renew after': renewAfter,
    revoked: revokedAt && `${revokedAt} (${revocationReason})`,
  });
  return { data: { certificate }, lines };
}

async function download(session: Session, serial: string, { out }: { out: string }): Promise<Outcome> {
  const certificate = await (await session.api()).loadCertificate(plainSerial(serial));
  await writeOutput(out, certificate.chain);
  return { data: { certificate, chainFile: out }, lines: factLines({ ...certificateFacts(certificate), chain: out }) };
}

async function list(session: Session, vendor: string | undefined): Promise<Outcome> {
  const api = vendor === undefined ? await session.signedInApi() : await session.api();
  const { items } = await api.listCertificates(vendor ?? (await onlyVendor(api)), { limit: 100 });
  const now = timeText(session.io.now());
  const due = items.filter(({ renewAfter }) => renewAfter !== undefined && renewAfter <= now);
  // Whoever has a younger one that is not due itself has renewed already.
  const isRenewed = items.some(({ renewAfter }) => renewAfter !== undefined && renewAfter > now);
  const rows = items.map(({ serial, status, assurance, notAfter, subject }) => [
    ...[serial, status, assurance, notAfter, subject],
  ]);
  const reminders = isRenewed
    ? []
    : due.map(({ serial, notAfter }) => `${serial} ends at ${notAfter}: margo-trust certificate renew.`);
  const lines = rows.length > 0 ? [...tableLines(rows), ...reminders] : ['No certificates yet.'];
  return { data: { certificates: items, renew: isRenewed ? [] : due.map(({ serial }) => serial) }, lines };
}

async function revoke(
  session: Session,
  serial: string,
  { reason, invalidityDate }: { reason: RevocationReason; invalidityDate?: string },
): Promise<Outcome> {
  const api = await session.signedInApi();
  const revocation = await api.revokeCertificate(plainSerial(serial), {
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
export async function onlyVendor(api: RegistryApi): Promise<string> {
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

/** As OpenSSL prints it, or plain. */
function plainSerial(serial: string): string {
  return serial.toLowerCase().replaceAll(':', '');
}

const CLASSES: Readonly<Record<Certificate['assurance'], string>> = {
  hardware: 'key in attested hardware',
  software: 'key anywhere',
  ci: 'a build, for a day',
};

/** As the registry has them. */
export const REASONS: readonly RevocationReason[] = [
  'unspecified',
  'keyCompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'privilegeWithdrawn',
];
