import { AuditorFault } from '@margo-trust/auditor';
import { areEqualBytes, parseBase64Url, parseJson } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { hashLeaf, rootFromInclusion, type Hash } from '@margo-trust/merkle';
import {
  bundlePath,
  encodeTlogProof,
  hashesForInclusion,
  inclusionFromTiles,
  parseEntryBundle,
  tilesForNodes,
} from '@margo-trust/tlog';
import { assembleReceipt, parseSignedRoot } from '@margo-trust/receipt';
import { CliFault } from '../fault.ts';
import { loadCheckpoint, type AuditedLog, type SignedCheckpoint } from './audited-log.ts';
import type { LogFiles } from './log-files.ts';
import { loadTiles } from './log-watch.ts';

/** That the log holds an entry, made from its static files alone. */
export interface EntryProof {
  readonly index: bigint;
  /** What is hashed into the leaf: the digest of a statement, or the leaf itself. */
  readonly leaf: Uint8Array;
  readonly checkpoint: SignedCheckpoint;
  readonly path: readonly Hash[];
  /** C2SP tlog-proof. */
  readonly tlogProof: Uint8Array;
  /** COSE receipt (RFC 9942), where the log has a signed root to make it of. */
  readonly receipt?: Uint8Array;
}

/** Proves one entry, by index or EntryID, from checkpoint and tiles; works while the service is down. */
export async function proveEntry(log: AuditedLog, id: string): Promise<EntryProof> {
  const checkpoint = await loadCheckpoint(log);
  const { size, root, note } = checkpoint;
  const wanted = readId(id);
  const index = typeof wanted === 'bigint' ? wanted : await findIndex(log.files, wanted, id, size);
  if (index >= size) throw notThere(id, size);
  const leaf = await loadLeaf(log.files, index, size);
  if (typeof wanted !== 'bigint' && !isLeafOf(leaf, wanted)) throw notThere(id, size);

  const path = await provePath(log.files, index, leaf, { size, root });
  const receipt = await makeReceipt(log, index, leaf);
  const tlogProof = encodeTlogProof({ index, path, checkpoint: note });
  return { index, leaf, checkpoint, path, tlogProof, ...(receipt && { receipt }) };
}

async function provePath(
  files: LogFiles,
  index: bigint,
  leaf: Uint8Array,
  { size, root }: { readonly size: bigint; readonly root: Hash },
): Promise<Hash[]> {
  const refs = tilesForNodes(hashesForInclusion(index, size), size);
  const path = inclusionFromTiles(index, size, await loadTiles(files, refs));
  if (areEqualBytes(rootFromInclusion(hashLeaf(leaf), index, size, path), root)) return path;
  throw new AuditorFault('audit/wrong-tile', `The tiles do not lead from entry ${index} to the root.`, { index });
}

/** From the signed root beside the checkpoint, which may be of a tree a little larger or smaller. Its signature is for the reader to check. */
async function makeReceipt(
  { files, key }: AuditedLog,
  index: bigint,
  leaf: Uint8Array,
): Promise<Uint8Array | undefined> {
  const bytes = await files.load('checkpoint.cose');
  if (!bytes) return undefined;
  const signed = parseSignedRoot(bytes);
  if (signed.origin !== key.name) {
    throw new AuditorFault('audit/other-log', `The signed root is of ${signed.origin}, not of ${key.name}.`);
  }
  const { signedSize: size, root } = signed;
  if (index >= size) return undefined;
  return assembleReceipt(signed, { index, path: await provePath(files, index, leaf, { size, root }) });
}

function readId(id: string): bigint | Uint8Array {
  if (/^(0|[1-9][0-9]{0,18})$/.test(id)) return BigInt(id);
  try {
    const entry = parseBase64Url(id);
    if (entry.length === 32) return entry;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
  throw new CliFault(
    'cli/bad-usage',
    `"${id}" is neither an index nor an EntryID.`,
    'Give 42, or what log show calls entry.',
  );
}

/** A service tells the index; among files one looks for it. Either way the leaf decides. */
async function findIndex(files: LogFiles, entry: Uint8Array, id: string, size: bigint): Promise<bigint> {
  const told = await files.load(`../api/v1/log/entries/${id}`, 8 << 20);
  if (told && !files.isDirectory) {
    const { index } = (parseJson(told, { maxBytes: 8 << 20, maxDepth: 16 }) ?? {}) as { index?: unknown };
    if (typeof index === 'string' && /^[0-9]{1,19}$/.test(index)) return BigInt(index);
  }
  for (let bundle = 0n; bundle * 256n < size; bundle += 1n) {
    const leaves = await loadLeaves(files, bundle, size);
    const at = leaves.findIndex((leaf) => isLeafOf(leaf, entry));
    if (at >= 0) return bundle * 256n + BigInt(at);
  }
  throw notThere(id, size);
}

async function loadLeaf(files: LogFiles, index: bigint, size: bigint): Promise<Uint8Array> {
  const leaf = (await loadLeaves(files, index / 256n, size))[Number(index % 256n)];
  if (!leaf)
    throw new AuditorFault('audit/missing-entry', `The entry bundle of entry ${index} is too short.`, { index });
  return leaf;
}

async function loadLeaves(files: LogFiles, bundle: bigint, size: bigint): Promise<Uint8Array[]> {
  const left = size - bundle * 256n;
  const width = left < 256n ? Number(left) : 256;
  const path = bundlePath(bundle, width);
  const bytes = await files.load(path, 20 << 20);
  if (!bytes) throw new AuditorFault('audit/missing-entry', `${path} is missing, and the checkpoint covers it.`);
  return parseEntryBundle(bytes);
}

function isLeafOf(leaf: Uint8Array, entry: Uint8Array): boolean {
  return areEqualBytes(leaf, entry) || (leaf.length !== 32 && areEqualBytes(sha256(leaf), entry));
}

function notThere(id: string, size: bigint): CliFault {
  return new CliFault('cli/not-found', `The log of ${size} entries holds no entry ${id}.`, 'Check index or EntryID.');
}
