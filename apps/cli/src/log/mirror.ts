import { mkdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { AuditorFault, evidencePath, LogCheck, rangeFromTiles, TileBuilder, type Tile } from '@margo-trust/auditor';
import { areEqualBytes } from '@margo-trust/bytes';
import { writeOutput } from '../files.ts';
import { bundlePath, encodeEntryBundle, tilePath, tilesForNodes, hashesForRoot } from '@margo-trust/tlog';
import { rootOfRange } from '@margo-trust/merkle';
import { parseSignedRoot } from '@margo-trust/receipt';
import { loadCheckpoint, type AuditedLog, type SignedCheckpoint } from './audited-log.ts';
import { directoryFiles, type LogFiles } from './log-files.ts';
import { refuseEarlier, refuseFork } from './refuse-fork.ts';
import { walkLog } from './walk-log.ts';

export interface MirrorReport {
  readonly before: bigint;
  readonly entries: bigint;
}

/**
 * Copies a log into a directory, or what it has become since: entry bundles, evidence and tiles in the layout of C2SP
 * tlog-tiles, the checkpoint last. Everything is recomputed before it is kept; and that what the mirror held is still
 * part of the log is proved, since the new tree is grown from the old one.
 *
 * A crash leaves the old checkpoint and perhaps files beyond it, which the next run uses if they are right.
 */
export async function mirrorLog(
  log: AuditedLog,
  directory: string,
  onProgress: (entries: bigint, of: bigint) => void,
): Promise<MirrorReport> {
  await mkdir(directory, { recursive: true });
  const held = directoryFiles(directory);
  const before = (await held.load('checkpoint')) && (await loadCheckpoint({ ...log, files: held }));
  const checkpoint = await loadCheckpoint(log);
  if (before) refuseEarlier(before, checkpoint);
  const size = before?.size ?? 0n;
  const { builder, check } = await resume(log, held, before);

  await refuseFork(before, () => grow(log, directory, { held, builder, check, checkpoint, onProgress }));
  const description = await log.files.load('log.json');
  if (description) await write(directory, 'log.json', description);
  await copySignedRoot(log, directory, checkpoint);
  await write(directory, 'checkpoint', checkpoint.note);
  if (before && before.size < checkpoint.size) await removePartials(directory, before.size);
  return { before: size, entries: checkpoint.size };
}

interface Growth {
  readonly held: LogFiles;
  readonly builder: TileBuilder;
  readonly check: LogCheck;
  readonly checkpoint: SignedCheckpoint;
  onProgress(entries: bigint, of: bigint): void;
}

/** Writes everything but the checkpoint. */
async function grow(log: AuditedLog, directory: string, growth: Growth): Promise<void> {
  const { held, builder, check, checkpoint, onProgress } = growth;
  const size = check.size;
  const layered = {
    load: async (path: string, max?: number) => (await held.load(path, max)) ?? log.files.load(path, max),
  };
  for await (const { index, width, bytes, evidence } of walkLog(layered, size, checkpoint.size)) {
    const isGrown = index === size / 256n && size % 256n !== 0n;
    const rows = check.add(evidence);
    // Of a bundle that the mirror has in part, the entries before are not new: they are taken from the whole bundle.
    const leaves = evidence.rows.map(({ kind, entry, body }) => (kind === 'raw' && body ? body : entry));
    await write(directory, bundlePath(index, width), encodeEntryBundle(leaves));
    await write(directory, evidencePath(index, width), bytes);
    await writeTiles(directory, builder.add(rows.map(({ leafHash }) => leafHash)));
    if (isGrown) await refuseOtherEntries(held, index, Number(size % 256n), leaves);
    onProgress(check.size, checkpoint.size);
  }
  await writeTiles(directory, builder.partial());
  check.conclude(checkpoint);
}

/** The tree that the mirror holds, checked against the checkpoint that it holds. */
async function resume(
  log: AuditedLog,
  held: LogFiles,
  before: SignedCheckpoint | undefined,
): Promise<{ builder: TileBuilder; check: LogCheck }> {
  if (!before) return { builder: new TileBuilder(), check: new LogCheck(log.key.name) };
  const tiles = new Map<string, Uint8Array>();
  for (const ref of [...tilesForNodes(hashesForRoot(before.size), before.size), ...edges(before.size)]) {
    const bytes = await held.load(tilePath(ref));
    if (!bytes) throw damaged(`${tilePath(ref)} is missing`);
    tiles.set(tilePath(ref), bytes);
  }
  const load = (ref: Tile['ref']) => tiles.get(tilePath(ref)) ?? new Uint8Array();
  const range = rangeFromTiles(before.size, load);
  if (!areEqualBytes(rootOfRange(range), before.root)) throw damaged('its tiles do not lead to its checkpoint');
  return { builder: TileBuilder.at(before.size, load), check: new LogCheck(log.key.name, range) };
}

/** The partial tiles of a tree of that size. */
function edges(size: bigint): Tile['ref'][] {
  const refs: Tile['ref'][] = [];
  for (let [level, count] = [0, size]; count > 0n; [level, count] = [level + 1, count >> 8n]) {
    const width = Number(count & 255n);
    if (width > 0) refs.push({ level, index: count >> 8n, width });
  }
  return refs;
}

async function refuseOtherEntries(held: LogFiles, index: bigint, width: number, leaves: readonly Uint8Array[]) {
  const before = await held.load(bundlePath(index, width), 20 << 20);
  if (!before || areEqualBytes(before, encodeEntryBundle(leaves.slice(0, width)))) return;
  throw new AuditorFault(
    'audit/fork',
    `The log shows other entries from ${index * 256n} on than it has shown to this mirror before.`,
    { index: index * 256n },
  );
}

async function writeTiles(directory: string, tiles: readonly Tile[]): Promise<void> {
  for (const { ref, bytes } of tiles) await write(directory, tilePath(ref), bytes);
}

function write(directory: string, path: string, bytes: Uint8Array): Promise<void> {
  return writeOutput(join(directory, path), bytes);
}

/** Kept when it is of the very tree that is mirrored; receipts are made of it. On a busy log the next run may have more luck. */
async function copySignedRoot(log: AuditedLog, directory: string, { size, root }: SignedCheckpoint): Promise<void> {
  const bytes = await log.files.load('checkpoint.cose');
  const signed = bytes && parseSignedRoot(bytes);
  if (bytes && signed?.signedSize === size && areEqualBytes(signed.root, root)) {
    await write(directory, 'checkpoint.cose', bytes);
  } else {
    await removeFile(join(directory, 'checkpoint.cose'));
  }
}

/** Whoever read the old checkpoint has the new one by now, and wider tiles with it. */
async function removePartials(directory: string, size: bigint): Promise<void> {
  const paths = edges(size).map(tilePath);
  const width = Number(size % 256n);
  if (width > 0) paths.push(bundlePath(size / 256n, width), evidencePath(size / 256n, width));
  for (const path of paths) await removeFile(join(directory, path));
}

async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  });
}

function damaged(what: string): AuditorFault {
  return new AuditorFault('audit/wrong-tile', `The mirror is damaged: ${what}. Begin a new one in an empty directory.`);
}
