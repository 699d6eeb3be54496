import { encodeCertificateRequest } from '@margo-trust/client';
import type { Authority } from '@margo-trust/wire';
import { encodePem, issuingCaProfile, lintCa, lintTsa, rootProfile, tsaProfile } from '@margo-trust/x509';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { isKeyFile, isUri, openCeremonyKey, openOrMakeKey } from '../ceremony/keys.ts';
import {
  organizationOf,
  profileInput,
  publicKeyOf,
  readCertificateFile,
  readCsrKey,
  refuseOtherKey,
  signArl,
  signLinted,
  unfit,
} from '../ceremony/sign.ts';
import { describeCertificate, sha256, type StepOptions, takeStep } from '../ceremony/transcript.ts';
import { collect, type Run } from '../command.ts';
import { CliFault } from '../fault.ts';
import { readTextInput, writeNew } from '../files.ts';
import { factLines, type Outcome, tableLines, timeText } from '../outcome.ts';
import type { Session } from '../session.ts';

type Purpose = 'signing' | 'timestamping';

export function addCa(program: Command, run: Run): void {
  const ca = program.command('ca').description('ceremonies: the registry’s CAs and how one hands over to the next');
  step(ca, 'init')
    .description('make a root, or a time-stamping CA: key, certificate and, for a root, its CRL. No network.')
    .requiredOption('--domain <domain>', 'of the registry: its organization in the certificate')
    .option('--number <n>', '2 for the dormant second one', readNumber, 1)
    .addOption(purpose())
    .requiredOption('--key <place>', 'file, made if there is none, or pkcs11: URI')
    .option('--years <n>', 'how long it is valid', readNumber, 25)
    .option('--crl-days <n>', 'how long the first CRL is good for', readNumber, 365)
    .action(run(init));
  ca.command('request')
    .description('make the key of an issuing CA or time-stamping authority, and the request for its certificate')
    .requiredOption('--key <place>', 'file, made if there is none, or pkcs11: URI')
    .addOption(purpose())
    .requiredOption('--out <file>', 'where the request goes')
    .action(run(request));
  step(ca, 'issue-ca')
    .description('certify an issuing CA, or a time-stamping authority, from its request. No network.')
    .requiredOption('--csr <file>', 'the request')
    .requiredOption('--issuer <file>', 'certificate of the root, or of the time-stamping CA')
    .requiredOption('--key <place>', 'the issuer’s key: file or pkcs11: URI')
    .requiredOption('--number <n>', 'which one it is: 1, and 2 at the first rollover', readNumber)
    .addOption(purpose())
    .option('--publication-url <url>', 'http URL where the registry publishes CRLs, with --purpose signing')
    .option('--issuer-name <name>', 'what the registry calls the issuer: root, root-2', 'root')
    .option('--years <n>', 'how long it is valid', readNumber, 10)
    .action(run(issueCa));
  step(ca, 'crl')
    .description('renew the CRL of a root. No network.')
    .requiredOption('--issuer <file>', 'certificate of the root')
    .requiredOption('--key <place>', 'its key: file or pkcs11: URI')
    .option('--issuer-name <name>', 'what the registry calls it: root, root-2', 'root')
    .option('--days <n>', 'how long it is good for', readNumber, 365)
    .action(run(renewCrl));
  addRollover(ca, run);
}

/** A step that signs: with preview, witnesses and transcript. */
export function step(ca: Command, name: string): Command {
  return ca
    .command(name)
    .requiredOption('--out <directory>', 'where what comes out goes; nothing there is written over')
    .option('--present <name>', 'who is in the room, for the transcript; again for each', collect)
    .option('--yes', 'all present agree: sign. Without it nothing is signed');
}

function purpose(): Option {
  return new Option('--purpose <purpose>').choices(['signing', 'timestamping']).default('signing');
}

interface InitOptions extends StepOptions {
  domain: string;
  number: number;
  purpose: Purpose;
  key: string;
  years: number;
  crlDays: number;
}

async function init(session: Session, options: InitOptions): Promise<Outcome> {
  const { io } = session;
  const isRoot = options.purpose === 'signing';
  const name = nameOf(isRoot ? 'root' : 'tsa-ca', options.number);
  const commonName = `Margo Trust Registry ${isRoot ? 'Root' : 'Time-Stamping CA'} ${options.number}`;
  const organization = organizationOf(options.domain);
  const outputs = isRoot ? [`${name}.crt`, `${name}.crl`] : [`${name}.crt`];
  const facts = {
    ...{ act: 'make a self-signed CA', name, subject: `CN=${commonName}, O=${organization}, C=XX` },
    ...{
      key: `${isUri(options.key) ? 'in the token' : options.key}${isKeyFile(options.key) ? '' : ', made if missing'}`,
    },
    ...{ valid: `${options.years} years`, crl: isRoot ? `empty, ${options.crlDays} days` : undefined },
    ...{ files: outputs.join(', ') },
  };
  const perform = async () => {
    const key = await openOrMakeKey(io, options.key, 'P-384');
    const now = io.now();
    const input = profileInput({
      ...{ now, organization, commonName },
      years: options.years,
      publicKey: publicKeyOf(key.signer),
    });
    const certificate = await signLinted(rootProfile(input), key.signer, (der) => lintCa(der, { purpose: 'root' }));
    const days = options.crlDays;
    const crl = isRoot && (await signArl(certificate, key.signer, { now, days, number: crlNumber(now) }));
    return {
      files: {
        [`${name}.crt`]: encodePem('CERTIFICATE', certificate.der),
        ...(crl && { [`${name}.crl`]: encodePem('X509 CRL', crl) }),
      },
      signed: [describeCertificate(certificate), ...(crl ? [describeCrl(name, crl)] : [])],
      keys: [describeKeyOf(name, key)],
    };
  };
  return takeStep(session, { act: 'init', name, out: options.out, facts, outputs, perform }, options);
}

async function request(
  { io }: Session,
  { key: place, purpose: use, out }: { key: string; purpose: Purpose; out: string },
): Promise<Outcome> {
  const key = await openOrMakeKey(io, place, use === 'signing' ? 'P-384' : 'P-256');
  await writeNew(out, await encodeCertificateRequest(key.signer));
  const facts = { key: `${key.where}${key.isNew ? ' (new)' : ''}`, spkiSha256: sha256(key.signer.spki), request: out };
  return { data: { ...facts, keyIsNew: key.isNew }, lines: factLines(facts) };
}

interface IssueOptions extends StepOptions {
  csr: string;
  issuer: string;
  key: string;
  number: number;
  purpose: Purpose;
  publicationUrl?: string;
  issuerName: string;
  years: number;
}

async function issueCa(session: Session, options: IssueOptions): Promise<Outcome> {
  const { io } = session;
  const isCa = options.purpose === 'signing';
  const csr = await readTextInput(options.csr, 'certification request', 65_536);
  const publicKey = readCsrKey(csr);
  const issuer = await readCertificateFile(options.issuer, 'issuer’s certificate');
  const organization = issuer.subject.rdns.flat().find(({ oid }) => oid === '2.5.4.10')?.value ?? '';
  const base = isCa ? readBase(options.publicationUrl) : undefined;
  const commonName = `Margo Trust Registry ${isCa ? 'Issuing CA' : 'Time-Stamping Authority'} ${options.number}`;
  const name = isCa ? `issuing-${options.number}` : nameOf('tsa', options.number);
  const facts = {
    ...{ act: isCa ? 'certify an issuing CA' : 'certify a time-stamping authority', name },
    ...{ subject: `CN=${commonName}, O=${organization}, C=XX`, issuer: issuer.subjectText },
    ...{ 'public key': `${publicKey.type}, SHA-256 ${sha256(publicKey.spki)}`, valid: `${options.years} years` },
    ...{ crl: base && `${base}/crl/${options.issuerName}/0.crl`, files: `${name}.crt` },
  };
  const perform = async () => {
    const key = await openCeremonyKey(io, options.key);
    refuseOtherKey(issuer, key.signer);
    const input = {
      ...profileInput({ now: io.now(), years: options.years, organization, commonName, publicKey }),
      issuer,
    };
    const urls = {
      crlUrl: `${base}/crl/${options.issuerName}/0.crl`,
      caIssuersUrl: `${base}/ca/${options.issuerName}.crt`,
    };
    const certificate = isCa
      ? await signLinted(issuingCaProfile({ ...input, ...urls }), key.signer, (der) =>
          lintCa(der, { purpose: 'issuing', issuer }),
        )
      : await signLinted(tsaProfile(input), key.signer, (der) => lintTsa(der, { issuer }));
    return {
      files: { [`${name}.crt`]: encodePem('CERTIFICATE', certificate.der) },
      signed: [describeCertificate(certificate)],
      keys: [describeKeyOf('issuer', key), { name, spkiSha256: sha256(publicKey.spki), csrSha256: sha256(csr) }],
    };
  };
  return takeStep(
    session,
    { act: 'issue-ca', name, out: options.out, facts, outputs: [`${name}.crt`], perform },
    options,
  );
}

interface CrlOptions extends StepOptions {
  issuer: string;
  key: string;
  issuerName: string;
  days: number;
}

async function renewCrl(session: Session, options: CrlOptions): Promise<Outcome> {
  const { io } = session;
  const issuer = await readCertificateFile(options.issuer, 'root’s certificate');
  const now = io.now();
  const name = options.issuerName;
  const outputs = [`${name}.crl`];
  const facts = {
    act: 'renew the CRL',
    name,
    number: String(crlNumber(now)),
    good: `${options.days} days`,
    files: `${name}.crl`,
  };
  const perform = async () => {
    const key = await openCeremonyKey(io, options.key);
    refuseOtherKey(issuer, key.signer);
    const crl = await signArl(issuer, key.signer, { now, days: options.days, number: crlNumber(now) });
    return {
      files: { [`${name}.crl`]: encodePem('X509 CRL', crl) },
      ...{ signed: [describeCrl(name, crl)], keys: [describeKeyOf(name, key)] },
    };
  };
  return takeStep(session, { act: 'crl', name: `${name}-crl`, out: options.out, facts, outputs, perform }, options);
}

function addRollover(ca: Command, run: Run): void {
  const rollover = ca.command('rollover').description('hand over to the next authority, at the registry');
  rollover.command('status').description('authorities and their states, and what comes next').action(run(status));
  rollover
    .command('publish')
    .description('announce a certificate from a ceremony: listed in the trust root, signing nothing yet')
    .argument('<certificate>', 'file')
    .addOption(new Option('--role <role>').choices(['root', 'issuing', 'tsa-ca', 'tsa']).default('issuing'))
    .option('--yes', 'announce it. Without it nothing is sent')
    .action(run(publish));
  rollover
    .command('switch')
    .description('let a standby authority take over; another member than the one who announced it')
    .argument('<name>', 'issuing-2')
    .option('--note <text>', 'kept in the audit trail', 'As planned.')
    .option('--yes', 'switch. Without it nothing is sent')
    .action(run(switchTo));
  rollover
    .command('retire')
    .description('retire the one before, when all that it has certified has expired')
    .argument('<name>', 'issuing-1')
    .option('--note <text>', 'kept in the audit trail', 'As planned.')
    .option('--yes', 'retire it. Without it nothing is sent')
    .action(run(retire));
}

async function status(session: Session): Promise<Outcome> {
  const { items } = await (await session.api()).listAuthorities();
  const rows = items.map(({ name, state, since, notAfter, subject }) => [name, state, since, notAfter, subject]);
  return {
    data: { authorities: items },
    lines: [...tableLines([['name', 'state', 'since', 'valid until', 'subject'], ...rows]), '', ...adviceFor(items)],
  };
}

/** What a rollover is waiting for. */
function adviceFor(items: readonly Authority[]): string[] {
  const next = items.filter(({ state, role }) => state === 'standby' && role !== 'root' && role !== 'tsa-ca');
  const number = items.filter(({ role }) => role === 'issuing').length + 1;
  const lines = next.map(
    ({ name }) =>
      `${name} waits: when devices have had time to fetch the trust root, margo-trust ca rollover switch ${name}`,
  );
  const old = items
    .filter(({ state }) => state === 'retiring')
    .map(({ name }) => `${name} is retiring: it signs CRLs only.`);
  return lines.length > 0
    ? [...lines, ...old]
    : [...old, `The next issuing CA will be issuing-${number}, its key ca-issuing-${number}.`];
}

async function publish(
  session: Session,
  path: string,
  options: { role: Authority['role']; yes?: boolean },
): Promise<Outcome> {
  const parsed = await readCertificateFile(path, 'certificate');
  const facts = {
    ...{ announce: path, role: options.role, subject: parsed.subjectText, issuer: parsed.issuerText },
    ...{ 'valid until': timeText(parsed.notAfter), sha256: parsed.fingerprint },
  };
  if (!options.yes) return previewOf(facts);
  const api = await session.signedInApi();
  return shownAs(
    await api.announceAuthority({ certificate: encodePem('CERTIFICATE', parsed.der), role: options.role }),
  );
}

async function switchTo(
  session: Session,
  name: string,
  { note, yes }: { note: string; yes?: boolean },
): Promise<Outcome> {
  const next = await (await session.api()).loadAuthority(name);
  const { items } = await (await session.api()).listAuthorities();
  const before = items.find(({ role, state }) => role === next.role && state === 'active');
  const facts = {
    'takes over': next.name,
    subject: next.subject,
    state: next.state,
    'retires from then on': before?.name,
  };
  if (!yes) return previewOf(facts);
  return shownAs(await (await session.signedInApi()).activateAuthority(name, note));
}

async function retire(
  session: Session,
  name: string,
  { note, yes }: { note: string; yes?: boolean },
): Promise<Outcome> {
  const authority = await (await session.api()).loadAuthority(name);
  const facts = {
    retires: name,
    subject: authority.subject,
    state: authority.state,
    'what follows': 'no CRL is signed any more',
  };
  if (!yes) return previewOf(facts);
  return shownAs(await (await session.signedInApi()).retireAuthority(name, note));
}

function previewOf(facts: Readonly<Record<string, string | undefined>>): Outcome {
  return { data: { preview: facts }, lines: [...factLines(facts), '', 'Nothing was sent. Run it again with --yes.'] };
}

function shownAs(authority: Authority): Outcome {
  const { name, role, state, since, subject, fingerprint } = authority;
  return { data: { authority }, lines: factLines({ name, role, state, since, subject, sha256: fingerprint }) };
}

/** As the registry numbers CRLs: larger than any before, whatever was forgotten. */
function crlNumber(now: Date): bigint {
  return BigInt(Math.floor(now.getTime() / 1_000));
}

function describeCrl(issuer: string, der: Uint8Array): object {
  return { kind: 'crl', issuer, sha256: sha256(der) };
}

function describeKeyOf(name: string, { where, isNew, signer }: Awaited<ReturnType<typeof openOrMakeKey>>): object {
  return { name, where, isNew, algorithm: signer.algorithm, spkiSha256: sha256(signer.spki) };
}

function nameOf(role: string, number: number): string {
  return number === 1 ? role : `${role}-${number}`;
}

/** Notation fetches CRLs over plain HTTP only. */
function readBase(url: string | undefined): string {
  if (url === undefined) {
    throw new CliFault('cli/bad-usage', 'Where are CRLs published?', 'Give --publication-url http://registry.example.');
  }
  if (!URL.canParse(url) || new URL(url).protocol !== 'http:' || new URL(url).pathname !== '/') {
    throw unfit(`The publication URL must be plain http, without a path, not ${url}.`);
  }
  return url.replace(/\/$/, '');
}

export function readNumber(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1 to 9999.');
}
