import { loadCompleteAnswer, type CompletedAnswer } from '@margo-trust/client';
import { parseIndexKey, type IndexKey } from '@margo-trust/index-map';
import { parseTrustRoot } from '@margo-trust/verifier';
import { InvalidArgumentError, type Command } from 'commander';
import type { Run } from '../command.ts';
import { CliFault } from '../fault.ts';
import { tableLines, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';
import { openTrustRoot } from '../trust-root.ts';

/** The command that asks for everything of a key, and believes nothing that is not proven. */
export function addLogComplete(log: Command, run: Run): void {
  log
    .command('complete')
    .description('all that the log holds about one key, with proof that nothing is left out')
    .option('--vendor <id>', 'the vendor’s id or URI')
    .option('--application <id>')
    .option('--digest <digest>', 'sha256:…')
    .option('--certificate <fingerprint>', 'SHA-256 of the certificate, hexadecimal')
    .option('--size <n>', 'demand an answer for so many entries of the log at least', readSize)
    .option('--limit <n>', 'stop after so many, the newest', readLimit)
    .option('--root <file>', 'initial root; default: the one that the trust root began with')
    .addHelpText('after', WHAT_IT_PROVES)
    .action(run(complete));
}

interface CompleteOptions {
  readonly vendor?: string;
  readonly application?: string;
  readonly digest?: string;
  readonly certificate?: string;
  readonly size?: bigint;
  readonly limit?: number;
  readonly root?: string;
}

async function complete(session: Session, options: CompleteOptions): Promise<Outcome> {
  const key = readKey(options);
  const trust = parseTrustRoot(await openTrustRoot(session, { offline: false, root: options.root }));
  const answer = await loadCompleteAnswer(await session.api(), key, {
    trust,
    ...(options.size !== undefined && { size: options.size }),
    ...(options.limit !== undefined && { limit: options.limit }),
    onProgress: (done, of) => session.printer.bar('checking', BigInt(done), BigInt(of)),
  });
  const { origin, size, recordIndex, count, entries } = answer;
  const rows = entries.map(({ index, registeredAt, subject, issuer }) => [index, registeredAt, subject, issuer]);
  const proven = describe(answer);
  return {
    data: { complete: { key, log: origin, size, recordIndex, count, proven, entries } },
    lines: [...tableLines(rows), ...(rows.length > 0 ? [''] : []), proven],
  };
}

/** One sentence: what is proven, and under what. */
function describe({ key, origin, size, recordIndex, count, entries }: CompletedAnswer): string {
  const under = `under the index on record at entry ${recordIndex}`;
  const span = `the first ${size} entries of ${origin}`;
  const what = `${key.kind} ${key.value}`;
  if (count === 0n) return `Proven ${under}: ${span} hold nothing about the ${what}.`;
  const unseen = entries.filter(({ isChecked }) => !isChecked).length;
  const erased =
    unseen === 0 ? '' : ` The statements of ${unseen} are no longer kept: whose they are, the registry says.`;
  const which =
    BigInt(entries.length) === count
      ? `these ${count} and no other`
      : `${count}, of which these ${entries.length} are the newest and none between them is left out`;
  return `Proven ${under}: of ${span}, about the ${what} are ${which}.${erased}`;
}

function readKey({ vendor, application, digest, certificate }: CompleteOptions): IndexKey {
  const given = Object.entries({ vendor: vendor && vendorIdOf(vendor), application, digest, certificate });
  const [key, ...others] = given.flatMap(([kind, value]) => (value === undefined ? [] : [{ kind, value }]));
  if (!key || others.length > 0) {
    const advice = 'Give one of --vendor, --application, --digest and --certificate.';
    throw new CliFault('cli/bad-usage', 'A complete answer is about one key.', advice);
  }
  return parseIndexKey(key.kind, key.value);
}

function vendorIdOf(vendor: string): string {
  return vendor.toLowerCase().replace(/^https:\/\/([^./]+)\.vendors\..*$/, '$1');
}

function readSize(text: string): bigint {
  if (!/^\d{1,18}$/.test(text)) throw new InvalidArgumentError('It must be a number of entries.');
  return BigInt(text);
}

function readLimit(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It must be a number of entries.');
  return Number(text);
}

const WHAT_IT_PROVES = `
The answer is checked against an index whose root the registry has put on record in the log: under that root nothing is
left out. That the index itself leaves nothing out is what "log fsck" checks, by recomputing it.`;
