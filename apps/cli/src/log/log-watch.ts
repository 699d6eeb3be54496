import { AuditorFault, LogCheck, rangeFromTiles, type CheckedRow } from '@margo-trust/auditor';
import { areEqualBytes } from '@margo-trust/bytes';
import { emptyRange, rootOfRange, type CompactRange } from '@margo-trust/merkle';
import { hashesForRoot, tilePath, tilesForNodes, type TileRef } from '@margo-trust/tlog';
import { loadCheckpoint, type AuditedLog, type SignedCheckpoint } from './audited-log.ts';
import type { LogFiles } from './log-files.ts';
import { refuseEarlier, refuseFork } from './refuse-fork.ts';
import { walkLog } from './walk-log.ts';

/** What a look at the log found. */
export interface Step {
  readonly checkpoint: SignedCheckpoint;
  /** Those of the new entries that were asked for. */
  readonly rows: readonly CheckedRow[];
  /** New entries whose statement is not shown, so that nobody knows what they are about. */
  readonly unseen: readonly bigint[];
}

/** Follows a log from one signed checkpoint to the next, and proves each time that the log has only grown. */
export class LogWatch {
  private readonly log: AuditedLog;
  private seen: SignedCheckpoint | undefined;
  private range: CompactRange;
  private newestSealAt: Date | undefined;

  private constructor(log: AuditedLog, seen: SignedCheckpoint | undefined, range: CompactRange) {
    this.log = log;
    this.seen = seen;
    this.range = range;
  }

  /** Goes on after `seen`; from the first entry when nothing was seen. */
  static async after(log: AuditedLog, seen: SignedCheckpoint | undefined): Promise<LogWatch> {
    const range = seen && seen.size > 0n ? await loadRange(log.files, seen) : emptyRange();
    const watch = new LogWatch(log, seen, range);
    if (seen && seen.size > 0n) watch.newestSealAt = await findNewestSeal(log.files, seen.size);
    return watch;
  }

  /** The checkpoint up to which everything was looked at. */
  get checkpoint(): SignedCheckpoint | undefined {
    return this.seen;
  }

  /** When the newest head was committed, by the log's own word; known once entries were seen. */
  get newestAt(): Date | undefined {
    return this.newestSealAt;
  }

  /** Looks again. Nothing is remembered of a look that throws: the next one begins where this one did. */
  async step(
    select: (row: CheckedRow) => boolean,
    onProgress: (entries: bigint, of: bigint) => void = () => undefined,
  ): Promise<Step> {
    const checkpoint = await loadCheckpoint(this.log);
    if (this.seen) refuseEarlier(this.seen, checkpoint);
    const check = new LogCheck(this.log.key.name, this.range);
    const rows: CheckedRow[] = [];
    const unseen: bigint[] = [];
    await refuseFork(this.seen, async () => {
      for await (const { evidence } of walkLog(this.log.files, check.size, checkpoint.size)) {
        for (const row of check.add(evidence)) {
          if (row.row.kind === 'erased') unseen.push(row.index);
          if (select(row)) rows.push(row);
        }
        onProgress(check.size, checkpoint.size);
      }
      check.conclude(checkpoint);
    });
    this.seen = checkpoint;
    this.range = check.compactRange;
    this.newestSealAt = check.newestSeal?.committedAt ?? this.newestSealAt;
    return { checkpoint, rows, unseen };
  }
}

/** When the head of that size was committed, as the log tells. */
async function findNewestSeal(files: LogFiles, size: bigint): Promise<Date | undefined> {
  for await (const { evidence } of walkLog(files, size - 1n, size)) {
    return evidence.seals.find((seal) => seal.size === size)?.committedAt;
  }
  return undefined;
}

/** The compact range of a tree that was signed: from tiles that lead to its root, whoever gave them. */
export async function loadRange(files: LogFiles, { size, root }: SignedCheckpoint): Promise<CompactRange> {
  const load = await loadTiles(files, tilesForNodes(hashesForRoot(size), size));
  const range = rangeFromTiles(size, load);
  if (areEqualBytes(rootOfRange(range), root)) return range;
  throw new AuditorFault(
    'audit/fork',
    `The tiles no longer lead to the tree of ${size} entries that the log has signed.`,
  );
}

/** Fetches tiles side by side, for functions that want them at once. */
export async function loadTiles(files: LogFiles, refs: readonly TileRef[]): Promise<(ref: TileRef) => Uint8Array> {
  const loaded = new Map<string, Uint8Array>();
  await Promise.all(
    refs.map(async (ref) => {
      const path = tilePath(ref);
      const bytes = await loadTile(files, ref);
      if (!bytes) throw new AuditorFault('audit/missing-entry', `${path} is missing, and the checkpoint covers it.`);
      loaded.set(path, bytes);
    }),
  );
  return (ref) => loaded.get(tilePath(ref)) ?? new Uint8Array();
}

/** Partial tiles may be gone once the full one is there (C2SP tlog-tiles, "Partial Tiles"). */
async function loadTile(files: LogFiles, ref: TileRef): Promise<Uint8Array | undefined> {
  const bytes = await files.load(tilePath(ref));
  if (bytes || ref.width === 256) return bytes;
  return (await files.load(tilePath({ ...ref, width: 256 })))?.subarray(0, ref.width * 32);
}
