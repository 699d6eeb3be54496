import { areEqualBytes, encodeHex } from '@margo-trust/bytes';
import { hashLeaf, rootFromInclusion } from '@margo-trust/merkle';
import { parseReceipt, verifyReceipt } from '@margo-trust/receipt';
import { parseStatement, verifyStatementSignature, type Statement } from '@margo-trust/statement';
import { verifyTimestampToken } from '@margo-trust/timestamp';
import { parseCertificate, verifyPath, type Certificate } from '@margo-trust/x509';
import type { Memory } from '../memory.ts';
import { countWords, dateWords, dayWords } from '../words.ts';
import {
  checkConsistency,
  checkContinuity,
  loadCheckpoint,
  loadInclusionPath,
  type SignedCheckpoint,
} from './checkpoint.ts';
import { tellCheckpoint, tellTrust } from './log.ts';
import type { Source } from './source.ts';
import { checkStanding, type Standing } from './standing.ts';
import { needed, NotChecked, planChecks, Refused, waitingSteps, type Step } from './steps.ts';
import { loadTrust, type Trust } from './trust.ts';

/** Everything that a look at one entry established. A member is there only if its check held. */
export interface EntryFindings {
  steps: readonly Step[];
  statement?: Statement;
  trust?: Trust;
  receipt?: Logged;
  checkpoint?: SignedCheckpoint;
  signer?: Signer;
  standing?: Standing;
}

export interface Logged {
  index: bigint;
  size: bigint;
  root: Uint8Array;
  origin: string;
  /** When the registry signed the receipt: the entry was in the log no later than this. */
  by?: Date;
}

export type Signer = { kind: 'vendor'; certificate: Certificate; organization: string } | { kind: 'registry' };

/** What the page was asked for and what the registry said about it: each is compared with what the bytes say. */
export interface Claimed {
  statement: Uint8Array;
  index: bigint;
  entryId: string;
}

const PLAN = [
  ['statement', 'These are the bytes that were logged'],
  ['trust', 'The trust root is signed'],
  ['receipt', 'The registry’s receipt holds'],
  ['checkpoint', 'The newest checkpoint is signed'],
  ['inclusion', 'The entry is in the log as it stands now'],
  ['history', 'The log has only grown'],
  ['time', 'The time of signing is attested'],
  ['signer', 'The signature is the signer’s'],
  ['standing', 'Nothing has taken the trust back'],
] as const;

/** The checks before they have begun, so that the page can hold their place. */
export const ENTRY_CHECKS = waitingSteps(PLAN);

/**
 * Makes every check that this page makes of an entry, in an order in which each leans on the ones before, and calls `show`
 * after each. Nothing is taken from the registry's word except where a step says so.
 */
export async function verifyEntry(
  claimed: Claimed,
  { source, memory, now }: { source: Source; memory: Memory; now: Date },
  show: (findings: EntryFindings) => void,
): Promise<EntryFindings> {
  const found: EntryFindings = { steps: ENTRY_CHECKS };
  const { check } = planChecks(PLAN, (steps) => {
    found.steps = steps;
    show({ ...found });
  });
  const keep = <K extends keyof EntryFindings>(name: K, value: EntryFindings[K] | undefined) => {
    if (value !== undefined) found[name] = value;
    return value;
  };

  const statement = keep(
    'statement',
    await check(
      'statement',
      () => readStatement(claimed),
      ({ entryId, entry }) => ({
        said: 'Hashing the statement here gives the EntryID it is filed under.',
        facts: [
          { label: 'EntryID', value: entryId, isOpaque: true },
          { label: 'Leaf hash', value: encodeHex(hashLeaf(entry)), isOpaque: true },
        ],
      }),
    ),
  );

  const trust = keep(
    'trust',
    await check(
      'trust',
      () => loadTrust(source, memory, now),
      (value) => tellTrust(value, now),
    ),
  );

  const receipt = keep(
    'receipt',
    await check(
      'receipt',
      async () => {
        const read = needed(statement, 'the statement could not be read');
        const { logs } = needed(trust, 'there is no trust root with the receipt keys');
        return readReceipt(
          read,
          read.receipts[0] ?? (await source.receipt(read.entryId)),
          logs.flatMap((log) => log.receiptKeys),
          claimed,
        );
      },
      ({ index, size, by }) => ({
        said: `Signed over a log of ${countWords(size)} entries in which this is entry ${countWords(index)}${by ? `; logged no later than ${dateWords(by)}` : ''}.`,
      }),
    ),
  );

  const signed = keep(
    'checkpoint',
    await check(
      'checkpoint',
      () => loadCheckpoint(source, needed(trust, 'there is no trust root with the log’s key')),
      tellCheckpoint,
    ),
  );

  await check(
    'inclusion',
    async () => {
      const leaf = hashLeaf(needed(statement, 'the statement could not be read').entry);
      const { checkpoint } = needed(signed, 'there is no checkpoint to compare with');
      const { index } = needed(receipt, 'no receipt says where the entry is');
      const path = await loadInclusionPath(source, index, checkpoint.size);
      if (!areEqualBytes(rootFromInclusion(leaf, index, checkpoint.size, path), checkpoint.root)) {
        throw new Refused('The path from this entry does not lead to the signed tree root.');
      }
      return path;
    },
    (path) => ({
      said: `${countWords(path.length)} hashes from the log’s tiles lead from this entry to the signed tree root.`,
    }),
  );

  await check(
    'history',
    async () => {
      const newest = needed(signed, 'there is no checkpoint to compare with');
      const older = needed(receipt, 'there is no receipt to compare with');
      const [small, large] =
        older.size <= newest.checkpoint.size ? [older, newest.checkpoint] : [newest.checkpoint, older];
      await checkConsistency(source, small.size, small.root, large.size, large.root);
      return checkContinuity(source, memory, newest, now);
    },
    ({ since }) => ({
      said:
        since === 'first-visit'
          ? 'The receipt’s tree is the beginning of the checkpoint’s. This is the first checkpoint this browser has seen.'
          : `The receipt’s tree and the one this browser saw on ${dateWords(since.seen)} are both the beginning of the checkpoint’s.`,
    }),
  );

  const attested = await check(
    'time',
    () => attestedTime(needed(statement, 'the statement could not be read'), trust, receipt),
    ({ at, by }) => ({
      said:
        by === 'token'
          ? `A time-stamp shows that the signature existed on ${dateWords(at)}.`
          : `The receipt shows that the signature existed by ${dateWords(at)}.`,
    }),
  );

  const signer = keep(
    'signer',
    await check(
      'signer',
      () => {
        const read = needed(statement, 'the statement could not be read');
        const { at } = needed(attested, 'no trusted time is known at which to judge the certificate');
        return verifySigner(read, needed(trust, 'there is no trust root with the anchors'), at);
      },
      tellSigner,
    ),
  );

  keep(
    'standing',
    await check(
      'standing',
      () => {
        const read = needed(statement, 'the statement could not be read');
        const lists = needed(trust, 'there is no trust root with the revocation list');
        const by = needed(signer, 'the signer is not established');
        return checkStanding(
          source,
          lists,
          read,
          by.kind === 'vendor' ? by.certificate : undefined,
          attested?.at ?? now,
        );
      },
      (standing) => ({ said: standing.said, facts: [{ label: 'As of', value: dateWords(standing.asOf) }] }),
    ),
  );

  return { ...found };
}

function readStatement({ statement, entryId }: Claimed): Statement {
  const read = parseStatement(statement);
  if (read.entryId !== entryId)
    throw new Refused('The statement the registry sent hashes to another EntryID than the one it is filed under.');
  return read;
}

function readReceipt(
  statement: Statement,
  bytes: Uint8Array,
  keys: Trust['logs'][number]['receiptKeys'],
  { index }: Claimed,
): Logged {
  const verified = verifyReceipt(bytes, statement, keys);
  if (verified.index !== index) throw new Refused(`The receipt is for entry ${verified.index}, not ${index}.`);
  const by = verified.issuedAt ?? parseReceipt(bytes).issuedAt;
  return {
    index: verified.index,
    size: verified.size,
    root: verified.root,
    origin: verified.origin,
    ...(by && { by }),
  };
}

/** A signature's time is its time-stamp token's or its receipt's; the signer's own word is never one. */
function attestedTime(
  statement: Statement,
  trust: Trust | undefined,
  receipt: Logged | undefined,
): { at: Date; by: 'token' | 'receipt' } {
  if (statement.timestampToken && trust && trust.timestampAnchors.length > 0) {
    const { genTime } = verifyTimestampToken(statement.timestampToken, statement.cose.signature, {
      anchors: trust.timestampAnchors,
    });
    return { at: genTime, by: 'token' };
  }
  const by = receipt?.by;
  if (!by) throw new NotChecked('Not checked, because neither a time-stamp nor a receipt attests a time.');
  return { at: by, by: 'receipt' };
}

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';

/** Ties the statement to its issuer, by a certificate that was good `at` that time or by a key of the registry. */
export function verifySigner(statement: Statement, trust: Trust, at: Date): Signer {
  const { kid } = statement;
  if (!statement.x5t && kid) {
    if (statement.issuer !== trust.registry)
      throw new Refused(`${statement.issuer} is not known by a key, only the registry is.`);
    const record = trust.records.find((candidate) => areEqualBytes(candidate.kid, kid));
    if (!record) throw new Refused('The trust root does not name the key that this statement says it was signed with.');
    verifyStatementSignature(statement, record.key);
    return { kind: 'registry' };
  }
  const [leaf, ...others] = statement.chain;
  if (!leaf) throw new NotChecked('Not checked, because the statement came without its certificate.');
  const certificate = parseCertificate(leaf);
  verifyPath({
    leaf: certificate,
    intermediates: [...others, ...trust.intermediates],
    anchors: trust.anchors,
    at,
    eku: CODE_SIGNING,
  });
  if (certificate.uriSans.length !== 1 || certificate.uriSans[0] !== statement.issuer) {
    throw new Refused('The certificate was issued to somebody else than the statement’s issuer.');
  }
  verifyStatementSignature(statement, certificate.publicKey);
  return { kind: 'vendor', certificate, organization: organizationOf(certificate) };
}

function tellSigner(signer: Signer) {
  if (signer.kind === 'registry')
    return { said: 'The registry signed this itself, with a key that the trust root names.' };
  const { certificate, organization } = signer;
  return {
    said: `${organization} signed this with a certificate that leads to an anchor of the trust root, valid until ${dayWords(certificate.notAfter)}.`,
  };
}

/** `O` of the subject (RFC 5280 §4.1.2.6): the vendor's legal name, as the registry's CA checked it. */
export function organizationOf(certificate: Certificate): string {
  const attribute = certificate.subject.rdns.flat().find(({ oid }) => oid === '2.5.4.10');
  return attribute?.value ?? certificate.subjectText;
}
