import { areEqualBytes, encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { hashLeaf, rootFromInclusion } from '@margo-trust/merkle';
import { verifyReceipt } from '@margo-trust/receipt';
import { parseStatement, type Statement } from '@margo-trust/statement';
import { encodeTlogProof } from '@margo-trust/tlog';
import type { Memory } from '../memory.ts';
import { countWords, dateWords, plural } from '../words.ts';
import {
  checkConsistency,
  checkContinuity,
  loadCheckpoint,
  loadInclusionPath,
  type Continuity,
  type SignedCheckpoint,
} from './checkpoint.ts';
import { tellCheckpoint, tellTrust } from './log.ts';
import { judge, type Judgement, type Signer, type Standing } from './judgement.ts';
import type { Source } from './source.ts';
import { needed, planChecks, Refused, waitingSteps, type Step, type Told } from './steps.ts';
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
  origin: string;
  index: bigint;
  size: bigint;
  root: Uint8Array;
  /** When the registry signed the receipt: the entry was in the log no later than this. */
  by?: Date;
}

/** What the registry says about an entry; each member is compared with what the bytes say. */
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
  const statement = () => needed(found.statement, 'the statement could not be read');
  const trust = () => needed(found.trust, 'there is no trust root with the keys');
  const receipt = () => needed(found.receipt, 'there is no receipt that holds');
  let path: readonly Uint8Array[] | undefined;
  const newest = () => needed(found.checkpoint, 'there is no checkpoint to compare with');

  await check(
    'statement',
    () => readStatement(claimed),
    tellStatement,
    (value) => (found.statement = value),
  );
  await check(
    'trust',
    () => loadTrust(source, memory, now),
    (value) => tellTrust(value, now),
    (value) => (found.trust = value),
  );
  await check(
    'receipt',
    () => readReceipt(statement(), trust(), claimed.index),
    tellReceipt,
    (value) => (found.receipt = value),
  );
  await check(
    'checkpoint',
    () => loadCheckpoint(source, trust()),
    tellCheckpoint,
    (value) => (found.checkpoint = value),
  );
  await check(
    'inclusion',
    () => checkInclusion(source, statement(), receipt(), newest()),
    ({ length }) => ({
      said: `${plural(length, 'hash', 'hashes')} from the log’s tiles lead from this entry to the signed tree root.`,
    }),
    (value) => (path = value),
  );
  await check(
    'history',
    async () => {
      await checkReceiptTree(source, receipt(), newest());
      return checkContinuity(source, memory, newest(), now);
    },
    tellHistory,
  );
  // Both questions are answered by one judgement; it is asked for with the first.
  let judgement: Judgement | undefined;
  await check(
    'signer',
    async () => {
      const loggedBy = needed(receipt().by, 'the receipt does not say when it was made');
      const proof =
        path && encodeTlogProof({ index: receipt().index, path: [...path], checkpoint: encodeUtf8(newest().note) });
      const { origin, index } = receipt();
      judgement = await judge(source, trust(), statement(), { by: loggedBy, origin, index, ...(proof && { proof }) });
      return judgement.signer();
    },
    tellSigner,
    (value) => (found.signer = value),
  );
  await check(
    'standing',
    () => needed(judgement, 'the signer is not established').standing(),
    ({ said, asOf }) => ({ said, facts: [{ label: 'As of', value: dateWords(asOf) }] }),
    (value) => (found.standing = value),
  );
  return found;
}

function readStatement({ statement, entryId }: Claimed): Statement {
  const read = parseStatement(statement);
  if (read.entryId !== entryId) {
    throw new Refused('The statement the registry sent hashes to another EntryID than the one it is filed under.');
  }
  return read;
}

function readReceipt(statement: Statement, trust: Trust, index: bigint): Logged {
  const [bytes] = statement.receipts;
  if (!bytes) throw new Refused('The statement came without a receipt of the log.');
  const keys = trust.logs.flatMap((log) => log.receiptKeys);
  const verified = verifyReceipt(bytes, statement, keys);
  if (verified.index !== index) throw new Refused(`The receipt is for entry ${verified.index}, not ${index}.`);
  const { origin, size, root, issuedAt } = verified;
  return { origin, index, size, root, ...(issuedAt && { by: issuedAt }) };
}

async function checkInclusion(
  source: Source,
  { entry }: Statement,
  { index }: Logged,
  { checkpoint: { size, root } }: SignedCheckpoint,
): Promise<readonly Uint8Array[]> {
  const path = await loadInclusionPath(source, index, size);
  if (!areEqualBytes(rootFromInclusion(hashLeaf(entry), index, size, path), root)) {
    throw new Refused('The path from this entry does not lead to the signed tree root.');
  }
  return path;
}

/** A receipt may be older than the checkpoint or, where a cache answered, newer. */
async function checkReceiptTree(source: Source, receipt: Logged, { checkpoint }: SignedCheckpoint): Promise<void> {
  const [older, newer] = receipt.size <= checkpoint.size ? [receipt, checkpoint] : [checkpoint, receipt];
  await checkConsistency(source, older.size, older.root, newer.size, newer.root);
}

function tellStatement({ entryId, entry }: Statement): Told {
  return {
    said: 'Hashing the statement here gives the EntryID it is filed under.',
    facts: [
      { label: 'EntryID', value: entryId, isOpaque: true },
      { label: 'Leaf hash', value: encodeHex(hashLeaf(entry)), isOpaque: true },
    ],
  };
}

function tellReceipt({ index, size, by }: Logged): Told {
  const when = by ? `, logged no later than ${dateWords(by)}` : '';
  return { said: `The registry signed that this is entry ${countWords(index)} of ${countWords(size)}${when}.` };
}

function tellHistory({ since }: Continuity): Told {
  return since === 'first-visit'
    ? { said: 'The receipt and the checkpoint belong to one log. It is the first checkpoint this browser has seen.' }
    : { said: `The receipt, the checkpoint and what this browser saw on ${dateWords(since.seen)} belong to one log.` };
}

function tellSigner(signer: Signer): Told {
  if (signer.kind === 'registry')
    return { said: 'The registry signed this itself, with a key that the trust root names.' };
  const by = signer.time ? `, by ${dateWords(signer.time)}` : '';
  return { said: `${signer.name} signed this${by}, with a certificate that leads to an anchor of the trust root.` };
}
