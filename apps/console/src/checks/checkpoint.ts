import { areEqualBytes, parseUtf8 } from '@margo-trust/bytes';
import { verifyConsistency } from '@margo-trust/merkle';
import {
  consistencyFromTiles,
  hashesForConsistency,
  hashesForInclusion,
  inclusionFromTiles,
  parseCheckpoint,
  parseNote,
  tilePath,
  tilesForNodes,
  verifyLogNote,
  type Checkpoint,
  type TreeNode,
} from '@margo-trust/tlog';
import type { TrustedLog } from '@margo-trust/verifier';
import { ApiProblem } from '../api.ts';
import { findKnownCheckpoint, keepCheckpoint, type KnownCheckpoint, type Memory } from '../memory.ts';
import type { Source } from './source.ts';
import { NotChecked, Refused } from './steps.ts';
import type { Trust } from './trust.ts';

export interface SignedCheckpoint {
  checkpoint: Checkpoint;
  /** The note as it was served. */
  note: string;
  log: TrustedLog;
}

/** The newest checkpoint, its signature checked against a log of the trust root (C2SP tlog-checkpoint). */
export async function loadCheckpoint(source: Source, trust: Trust): Promise<SignedCheckpoint> {
  const bytes = await source.checkpoint();
  const note = parseNote(bytes);
  const { origin: claimed } = parseCheckpoint(note.text);
  const log = trust.logs.find(({ origin }) => origin === claimed);
  if (!log) throw new Refused(`The checkpoint is of the log ${claimed}, which the trust root does not name.`);
  return { checkpoint: verifyLogNote(note, log.checkpointHistory), note: parseUtf8(bytes), log };
}

/** `grown` counts entries, and is negative when the registry served an older checkpoint than this browser knows. */
export type Continuity = { since: 'first-visit' } | { since: KnownCheckpoint; grown: bigint };

/**
 * Holds the checkpoint against the one this browser saw before: one tree must be the beginning of the other
 * (RFC 9162 §2.1.4.2). A cache may answer with a checkpoint that is a little older; a log that no longer has what it once
 * signed is refused. Remembers the newer of both, and only after the check: a fork never replaces what was known.
 */
export async function checkContinuity(
  source: Source,
  memory: Memory,
  { checkpoint }: SignedCheckpoint,
  now: Date,
): Promise<Continuity> {
  const { origin, size, root } = checkpoint;
  const known = findKnownCheckpoint(memory, origin);
  if (known && size < known.size) {
    await checkNothingLost(source, checkpoint, known);
    return { since: known, grown: size - known.size };
  }
  if (known) await checkConsistency(source, known.size, known.root, size, root);
  keepCheckpoint(memory, origin, { size, root, seen: now });
  return known ? { since: known, grown: size - known.size } : { since: 'first-visit' };
}

async function checkNothingLost(source: Source, { size, root }: Checkpoint, known: KnownCheckpoint): Promise<void> {
  try {
    await checkConsistency(source, size, root, known.size, known.root);
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.status !== 404) throw error;
    throw new Refused(
      `The log now shows ${size} entries, but this browser has seen it sign ${known.size}. A log must never shrink.`,
    );
  }
}

/** Throws unless the first tree is the beginning of the second; the proof is put together from the log's tiles. */
export async function checkConsistency(
  source: Source,
  size1: bigint,
  root1: Uint8Array,
  size2: bigint,
  root2: Uint8Array,
): Promise<void> {
  if (size1 === size2) {
    if (!areEqualBytes(root1, root2))
      throw new Refused('Two different trees of the same size were signed: the log was forked.');
    return;
  }
  const tiles = await loadTiles(source, hashesForConsistency(size1, size2), size2);
  verifyConsistency(size1, root1, size2, root2, consistencyFromTiles(size1, size2, tiles));
}

/** The inclusion path of a leaf, put together from the log's tiles (C2SP tlog-tiles). Proves nothing before it is used. */
export async function loadInclusionPath(source: Source, index: bigint, size: bigint): Promise<Uint8Array[]> {
  return inclusionFromTiles(index, size, await loadTiles(source, hashesForInclusion(index, size), size));
}

async function loadTiles(
  source: Source,
  nodes: readonly TreeNode[],
  size: bigint,
): Promise<(ref: Parameters<typeof tilePath>[0]) => Uint8Array> {
  const loaded = new Map<string, Uint8Array>();
  await Promise.all(
    tilesForNodes(nodes, size).map(async (ref) => {
      const path = tilePath(ref);
      loaded.set(path, await source.tile(path));
    }),
  );
  return (ref) => {
    const tile = loaded.get(tilePath(ref));
    if (!tile) throw new NotChecked('The log’s tiles do not cover this proof.');
    return tile;
  };
}
