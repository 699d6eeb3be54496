import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { Fault } from '@margo-trust/fault';
import { OpenpgpFault, verifyDetached, verifyProvenance, type OpenpgpSignature } from '@margo-trust/openpgp';
import type { TufSnapshot } from '@margo-trust/tuf';
import { adviceFor, parseTrustRoot, VerifyFault, Verifier, type Freshness } from '@margo-trust/verifier';
import type { OpenpgpKey } from '@margo-trust/wire';
import type { Command } from 'commander';
import type { Run } from '../command.ts';
import { EXIT, exitCodeOfRefusal } from '../exit-code.ts';
import { CliFault } from '../fault.ts';
import { readInput } from '../files.ts';
import { factLines, tableLines, timeText, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';
import { readVendorId, withTrustRoot } from '../trust-root.ts';
import { onlyVendor } from './cert.ts';

export function addOpenpgp(program: Command, run: Run): void {
  const openpgp = program
    .command('openpgp')
    .description('what vendors sign with OpenPGP: weaker than a Margo Signature');
  openpgp
    .command('verify')
    .description('whether a key of the vendor signed a file; that never makes it trusted')
    .argument('<file>', 'the file, or the chart that a provenance file speaks of')
    .requiredOption('--vendor <vendor>', 'id or URI')
    .option('--signature <file>', 'a detached signature, .asc or .sig')
    .option('--prov <file>', 'the provenance file of a Helm chart')
    .option('--offline', 'take the trust root as it is, and ask no network')
    .option('--root <file>', 'initial root; default: the one that the trust root began with')
    .action(run(verify));
  openpgp
    .command('register')
    .description('let others read what a key signs; for owners')
    .argument('<file>', 'one public key: gpg --armor --export-options export-minimal --export <fingerprint>')
    .option('--vendor <id>', 'default: your only vendor')
    .action(run(register));
  openpgp
    .command('list')
    .description('the keys of a vendor')
    .argument('[vendor]', 'id; default: your only vendor')
    .action(run(list));
  openpgp
    .command('withdraw')
    .description('let a key count no longer, for good')
    .argument('<fingerprint>', 'as list shows it')
    .option('--vendor <id>', 'default: your only vendor')
    .action(run(withdraw));
}

interface VerifyOptions {
  vendor: string;
  signature?: string;
  prov?: string;
  offline?: boolean;
  root?: string;
}

/** Said with every signature that verifies. */
const WEAKER =
  'That is weaker than trusted: it is in no log, its time is its maker’s word, and whoever missed that the key was withdrawn goes on accepting it.';

async function verify(session: Session, path: string, options: VerifyOptions): Promise<Outcome> {
  const { signature, prov, offline = false, root } = options;
  if ((signature === undefined) === (prov === undefined)) {
    const advice = 'Give --signature, or --prov for a Helm chart.';
    throw new CliFault('cli/bad-usage', 'One of a signature and a provenance file is needed.', advice);
  }
  const vendorId = readVendorId(options.vendor);
  const file = await readInput(path, 'file', MAX_FILE_BYTES);
  const proof = await readInput(
    signature ?? prov ?? '',
    signature === undefined ? 'provenance file' : 'signature',
    1 << 20,
  );
  const check = (keys: readonly Uint8Array[]): Promise<OpenpgpSignature> =>
    signature === undefined
      ? verifyProvenance(proof, { name: basename(path), bytes: file }, keys, session.io.now())
      : verifyDetached(file, proof, keys, session.io.now());
  const digest = `sha256:${createHash('sha256').update(file).digest('hex')}`;
  return withTrustRoot(session, { offline, root }, (snapshot) => judge(snapshot, { path, vendorId, digest, check }));
}

interface Question {
  readonly path: string;
  readonly vendorId: string;
  readonly digest: string;
  check(keys: readonly Uint8Array[]): Promise<OpenpgpSignature>;
}

async function judge(snapshot: TufSnapshot, { path, vendorId, digest, check }: Question): Promise<Outcome> {
  const verifier = new Verifier(parseTrustRoot(snapshot));
  const { freshness } = verifier;
  try {
    const { vendor, keys } = verifier.openpgpKeys(vendorId, digest);
    const { fingerprint, signedAt } = await check([...keys.values()]);
    const finding = { subject: digest, vendorId: vendor.id, vendorName: vendor.legalName, fingerprint, signedAt };
    const facts = factLines({
      vendor: `${vendor.legalName} (${vendor.id})`,
      key: fingerprint,
      signed: `${timeText(signedAt)}, as its maker says`,
      'as of': timeText(freshness.asOf),
    });
    return {
      data: { artifact: path, trusted: false, verified: 'weakly', finding, reason: WEAKER, freshness },
      lines: [`verified weakly, not trusted: ${path}`, ...facts, WEAKER],
      exitCode: EXIT.verifiedWeakly,
    };
  } catch (error) {
    // Of a trust root that is damaged, or lacks the file of the vendor, nothing follows for the signature.
    if (!(error instanceof OpenpgpFault) && !(error instanceof VerifyFault)) throw error;
    return refused(path, error, freshness);
  }
}

function refused(path: string, { code, message: reason }: Fault, freshness: Freshness): Outcome {
  const advice = ADVICE[code] ?? adviceFor(code);
  return {
    data: { artifact: path, trusted: false, code, reason, advice, freshness, exitCode: exitCodeOfRefusal(code) },
    lines: [`refused: ${path}`, reason, advice, `code: ${code}`],
    exitCode: exitCodeOfRefusal(code),
  };
}

async function register(session: Session, path: string, { vendor }: { vendor?: string }): Promise<Outcome> {
  const key = Buffer.from(await readInput(path, 'key', 1 << 16)).toString('utf8');
  const api = await session.signedInApi();
  const registered = await api.registerOpenpgpKey(vendor ?? (await onlyVendor(api)), { key: key.trim() });
  const { fingerprint, entryId } = registered;
  return { data: { key: registered }, lines: factLines({ key: fingerprint, record: entryId }) };
}

async function list(session: Session, vendor: string | undefined): Promise<Outcome> {
  const api = vendor === undefined ? await session.signedInApi() : await session.api();
  const { items } = await api.listOpenpgpKeys(vendor ?? (await onlyVendor(api)));
  const rows = items.map(({ fingerprint, registeredAt }: OpenpgpKey) => [fingerprint, registeredAt]);
  return { data: { keys: items }, lines: rows.length > 0 ? tableLines(rows) : ['The vendor has no OpenPGP keys.'] };
}

async function withdraw(session: Session, fingerprint: string, { vendor }: { vendor?: string }): Promise<Outcome> {
  const api = await session.signedInApi();
  const wanted = fingerprint.replaceAll(' ', '').toLowerCase();
  await api.withdrawOpenpgpKey(vendor ?? (await onlyVendor(api)), wanted);
  return { data: { withdrawn: wanted }, lines: [`${wanted} counts no longer.`] };
}

/** Charts and the like; images are signed by digest, and not so. */
const MAX_FILE_BYTES = 512 << 20;

const ADVICE: Readonly<Record<string, string>> = {
  'openpgp/key-expired': 'Ask the vendor for a Margo Signature, or for a signature by a key that it has now.',
  'openpgp/key-revoked': 'Do not install. Ask the vendor for a Margo Signature.',
  'openpgp/other-file': 'This is not the chart that was signed. Fetch both again.',
  'openpgp/unavailable': 'Install it beside margo-trust: npm install openpgp.',
  'openpgp/wrong-key': 'Refresh the trust root: the vendor may have registered the key since. If not, do not install.',
};
