import { areEqualBytes, parseBase64, parseBase64Url } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import {
  findMapRecord,
  hashKey,
  IndexMapFault,
  keysOfRawLeaf,
  keysOfStatement,
  verifyChain,
  verifyMapProof,
  type IndexKey,
  type KeyState,
  type MapRecord,
} from '@margo-trust/index-map';
import { hashLeaf, MerkleFault, rootFromInclusion, type Hash } from '@margo-trust/merkle';
import { verifyReceipt, type VerifiedReceipt } from '@margo-trust/receipt';
import { CONTENT, parseStatement, verifyStatementSignature } from '@margo-trust/statement';
import { isRecordKeyAt, type TrustRootDocument } from '@margo-trust/verifier';
import type { CompleteAnswer, CompleteEntry } from '@margo-trust/wire';
import type { RegistryApi } from './api.ts';

/** An entry of a verified answer. All but `index`, `entryId` and `isChecked` is what the registry says of it. */
export interface CompletedEntry extends CompleteEntry {
  /** Whether its statement was seen to be of the key; false when the statement is no longer kept. */
  readonly isChecked: boolean;
}

export interface CompletedAnswer {
  readonly key: IndexKey;
  /** The log. */
  readonly origin: string;
  /** The answer is complete for the entries of the log below this index. */
  readonly size: bigint;
  /** Where the registry put the root on record that it is complete under. */
  readonly recordIndex: bigint;
  /** Entries of the key below `size`. */
  readonly count: bigint;
  /** The newest of them, newest first: all, unless fewer were asked for. */
  readonly entries: readonly CompletedEntry[];
}

export interface CompleteOptions {
  readonly trust: Pick<TrustRootDocument, 'registry' | 'logs' | 'records'>;
  /** The answer must be complete for so many entries of the log at least. */
  readonly size?: bigint;
  /** Stop after so many entries, the newest. Default: all. */
  readonly limit?: number;
  onProgress?(done: number, of: number): void;
}

/** Statements that are fetched side by side. */
const AT_ONCE = 8;

/**
 * Everything that the log holds about a key, verified: the registry's record of its index and the log's receipt for it, the
 * proof of what the index counts, that the entries are exactly those, that each is in the log, and that its statement is of
 * the key. What that proves and what not: docs/adr/0014-complete-answers.md.
 *
 * Faults with `index/…` when the answer does not hold, `receipt/…`, `statement/…` or `crypto/…` when its record does not.
 */
export async function loadCompleteAnswer(
  api: RegistryApi,
  key: IndexKey,
  { trust, size = 0n, limit = Infinity, onProgress }: CompleteOptions,
): Promise<CompletedAnswer> {
  const question = { [key.kind]: key.value };
  let page = await api.loadComplete({ ...question, ...(size > 0n && { size: size.toString() }), ...limitOf(limit) });
  const { record, receipt } = verifyMapRecord(bytesOf(page.record), trust);
  if (record.size < size)
    throw new IndexMapFault('index/not-complete', `The index is made of ${record.size} entries only.`);
  let state = verifyMapProof(key, readProof(page), record.root);
  const { count } = state;

  const entries: CompletedEntry[] = [];
  for (;;) {
    state = verifyPage(page, key, state, record, receipt);
    for (let at = 0; at < page.items.length; at += AT_ONCE) {
      const some = page.items.slice(at, at + AT_ONCE);
      entries.push(...(await Promise.all(some.map((item) => checkStatement(api, key, item)))));
    }
    onProgress?.(entries.length, Math.min(Number(count), limit));
    if (state.count === 0n || entries.length >= limit) break;
    const cursor = `${state.count}.${receipt.size}`;
    page = await api.loadComplete({ ...question, before: cursor, ...limitOf(limit - entries.length) });
  }
  const { origin, index: recordIndex } = receipt;
  return { key, origin, size: record.size, recordIndex, count, entries };
}

/**
 * The registry's record of its index, from a Transparent Statement: signed by one of the registry's record keys, and in the
 * log of one of its receipts. `statement` comes from the peer.
 */
export function verifyMapRecord(
  bytes: Uint8Array,
  trust: CompleteOptions['trust'],
): { record: MapRecord; receipt: VerifiedReceipt } {
  const statement = parseStatement(bytes, { maxBytes: 1 << 16 });
  const { kid } = statement;
  const signer = trust.records.find((known) => kid && areEqualBytes(known.kid, kid));
  if (!signer || statement.issuer !== trust.registry || statement.contentType !== CONTENT.record) {
    throw new IndexMapFault('index/bad-record', 'The record of the index is not by the registry that is trusted.');
  }
  verifyStatementSignature(statement, signer.key);
  const [first] = statement.receipts;
  if (!first) throw new IndexMapFault('index/bad-record', 'The record of the index has no receipt.');
  const receiptKeys = trust.logs.flatMap((log) => log.receiptKeys);
  const receipt = verifyReceipt(first, statement, receiptKeys);
  if (!isRecordKeyAt(signer, receipt)) {
    throw new IndexMapFault(
      'index/bad-record',
      'The key that signed the record of the index had been replaced by then.',
    );
  }
  const record = findMapRecord(statement.payload);
  if (!record || statement.subject !== `index-map:${receipt.origin}` || record.size > receipt.index) {
    throw new IndexMapFault('index/bad-record', 'The record is not that of an index of this log.');
  }
  return { record, receipt };
}

function verifyPage(
  page: CompleteAnswer,
  key: IndexKey,
  end: KeyState,
  { size }: MapRecord,
  { size: treeSize, root }: VerifiedReceipt,
): KeyState {
  const items = page.items.map((item) => ({ item, index: decimal(item.index), leaf: leafOf(item) })).reverse();
  for (const { item, index, leaf } of items) {
    if (index >= size) throw new IndexMapFault('index/not-complete', `Entry ${index} is not below ${size}.`);
    const path = (item.inclusionPath ?? []).map(bytesOf);
    if (!leadsTo(leaf, index, treeSize, path, root)) {
      throw new IndexMapFault('index/bad-proof', `Entry ${index} is not in the log as it is shown.`);
    }
  }
  const before = { count: decimal(page.position), chain: bytesOf(page.before) };
  if (items.length === 0 && before.count < end.count)
    throw new IndexMapFault('index/not-complete', 'The page is empty.');
  if (before.count === 0n && items.length === 0) return verifyChain(key, { count: 0n, chain: hashKey(key) }, [], end);
  return verifyChain(key, before, items, end);
}

/** Whoever shows a foreign entry under a key has said something wrong, though nothing is left out by it. */
async function checkStatement(api: RegistryApi, key: IndexKey, item: CompleteEntry): Promise<CompletedEntry> {
  const keys = item.leaf === undefined ? await keysOf(api, item) : keysOfRawLeaf(bytesOf(item.leaf));
  if (keys && !keys.some(({ kind, value }) => kind === key.kind && value === key.value)) {
    throw new IndexMapFault(
      'index/not-complete',
      `Entry ${item.index} is not of this ${key.kind}, and is counted as one.`,
    );
  }
  return { ...item, isChecked: keys !== undefined };
}

async function keysOf(api: RegistryApi, { entryId, index }: CompleteEntry): Promise<IndexKey[] | undefined> {
  const { statement } = await api.loadLogEntry(entryId);
  if (statement === undefined) return undefined;
  const bytes = bytesOf(statement);
  const { entryId: actual } = parseStatement(bytes, { maxBytes: 2 << 20 });
  if (actual !== entryId)
    throw new IndexMapFault('index/bad-proof', `The statement shown for entry ${index} is another.`);
  return keysOfStatement(bytes);
}

function leafOf({ entryId, leaf }: CompleteEntry): Hash {
  const entry = parseBase64Url(entryId);
  if (leaf === undefined) return hashLeaf(entry);
  const raw = bytesOf(leaf);
  if (!areEqualBytes(sha256(raw), entry)) throw new IndexMapFault('index/bad-proof', 'A leaf is not what its id says.');
  return hashLeaf(raw);
}

function leadsTo(leaf: Hash, index: bigint, size: bigint, path: readonly Hash[], root: Hash): boolean {
  try {
    return areEqualBytes(rootFromInclusion(leaf, index, size, path), root);
  } catch (error) {
    if (error instanceof MerkleFault) return false;
    throw error;
  }
}

function readProof({ proof }: CompleteAnswer) {
  if (!proof) throw new IndexMapFault('index/bad-proof', 'The answer has no proof.');
  const { siblings, leaf } = proof;
  return {
    siblings: siblings.map(bytesOf),
    ...(leaf && { leaf: { key: bytesOf(leaf.key), count: decimal(leaf.count), chain: bytesOf(leaf.chain) } }),
  };
}

function limitOf(limit: number): { limit: number } {
  return { limit: Math.min(limit, 200) };
}

function bytesOf(text: unknown): Uint8Array {
  try {
    if (typeof text === 'string') return parseBase64(text);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
  throw new IndexMapFault('index/bad-proof', 'The answer cannot be read.');
}

function decimal(text: unknown): bigint {
  if (typeof text === 'string' && /^\d{1,19}$/.test(text)) return BigInt(text);
  throw new IndexMapFault('index/bad-proof', 'The answer cannot be read.');
}
