import { Inject, Injectable } from '@nestjs/common';
import { areEqualBytes, encodeUtf8 } from '@margo-trust/bytes';
import { encodeSignedRoot } from '@margo-trust/receipt';
import { Clock } from '../../clock.ts';
import { Db } from '../../db/db.ts';
import { CheckedTiles } from './checked-tiles.ts';
import { IssueReceipt } from '../issue-receipt.ts';
import { describeLog } from '../log-description.ts';
import { LogIdentity } from '../log-identity.ts';
import { LogLife } from '../log-life.ts';
import type { SignedCheckpoint } from '../witnessing/checkpoint.store.ts';
import { PublishedCheckpoint } from '../witnessing/published-checkpoint.ts';
import { StoredCheckpoint, type StoredHead } from '../witnessing/stored-checkpoint.ts';
import { ExportEvidence } from './export-evidence.ts';
import { type StoredFile, TileStore } from './tile-store.ts';
import { type TileExport, TileExportStore } from './tile-export.store.ts';

/** Leaves whose full tiles are written before progress is noted: 64 bundles. */
const STEP = 16_384n;
/** A long way to go is gone in parts, so that a process that is told to stop can. */
const BUDGET_MS = 3_000;
/** What is in memory at once. */
const CHUNK = { files: 64, bytes: 16_000_000 };
/** The store's checkpoint is looked at this often although nothing happened: somebody may have touched it. */
const LOOK_AGAIN_MS = 60_000;

/**
 * Puts the log's files where others serve them: bundles, then tiles, evidence, then the checkpoint, never the other way round. So
 * whoever reads the checkpoint finds everything that it implies.
 *
 * The database is the truth and the store a copy. A crash between any two steps leaves files that the last checkpoint
 * does not need yet; the next run writes the same bytes again. A store that fails keeps its old checkpoint while
 * registration goes on. A store that knows a larger tree, or another one, is not touched.
 */
@Injectable()
export class PublishTiles {
  private isProven = false;
  private failed: string | undefined;
  private last: { note: Uint8Array; size: bigint; at: number } | undefined;

  constructor(
    @Inject(TileStore) private readonly store: TileStore | undefined,
    private readonly published: PublishedCheckpoint,
    private readonly receipts: IssueReceipt,
    private readonly stored: StoredCheckpoint,
    private readonly tiles: CheckedTiles,
    private readonly evidence: ExportEvidence,
    private readonly identity: LogIdentity,
    private readonly exports: TileExportStore,
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly life: LogLife,
  ) {}

  /** Why the last run failed; `undefined` when it did not. */
  get failure(): string | undefined {
    return this.failed;
  }

  /** Leaves under the checkpoint that this process has last seen in the store. */
  get size(): bigint {
    return this.last?.size ?? 0n;
  }

  /** Cheap enough to be asked every second. */
  async isDue(): Promise<boolean> {
    if (!this.store) return false;
    if (!this.last || this.clock.now().getTime() - this.last.at >= LOOK_AGAIN_MS) return true;
    return !areEqualBytes((await this.published.load()).note, this.last.note);
  }

  async run(): Promise<void> {
    if (!this.store) return;
    try {
      await this.prove(this.store);
      await this.publish(this.store);
      this.failed = undefined;
    } catch (error) {
      this.failed = error instanceof Error ? error.message : 'unknown';
      throw error;
    }
  }

  /** Throws `UnfitStore` for a store that overwrites. Nothing is written to one that has not passed. */
  async prove(store = this.store): Promise<void> {
    if (this.isProven) return;
    await store?.prove();
    this.isProven = true;
  }

  private async publish(store: TileStore): Promise<void> {
    const target = await this.published.load();
    const kept = await this.stored.find();
    if (kept) await this.refuseOther(kept, target);
    await this.tiles.refuseOtherRoot(target.size, target.root);

    const begun = performance.now();
    const isLate = () => performance.now() - begun > BUDGET_MS;
    let covered = coveredFrom(await this.exports.load(store.name), kept);
    while (covered >> 8n < target.size >> 8n) {
      if (isLate()) return; // still due
      const next = min(covered + STEP, target.size);
      const to = next - (next & 255n);
      await write(store, this.tiles.full(covered, to, target.size));
      // A crash here has the step written again.
      await this.db.transaction((tx) => this.exports.advance(tx, store.name, { covered: to }));
      covered = to;
    }
    await write(store, this.tiles.partial(kept?.size ?? 0n, target.size));
    if (!(await this.evidence.write(store, kept?.size ?? 0n, target.size, isLate))) return; // still due

    const [root, life] = await Promise.all([this.receipts.publishedHead(), this.life.find()]);
    // A crash here leaves all that the new checkpoint implies, and the old checkpoint.
    await this.db.transaction(async (tx) => {
      // Held by one writer at a time. Who lost his connection, and the lock with it, fails here.
      await this.exports.lock(tx, store.name);
      await this.evidence.point(tx, store);
      await replaceIfOther(store, { path: 'log.json', bytes: encodeUtf8(describeLog(this.identity, life)) });
      if (!kept || !areEqualBytes(kept.file.bytes, target.note)) {
        await store.replace({ path: 'checkpoint', bytes: target.note }, kept?.file);
      }
      if (root.size === target.size) {
        await replaceIfOther(store, { path: 'checkpoint.cose', bytes: encodeSignedRoot(root) });
      }
      // A crash here is harmless: the next run finds its own checkpoint.
      await this.exports.advance(tx, store.name, { covered, size: target.size });
    });
    await this.evidence.sweep(store);
    this.last = { note: target.note, size: target.size, at: this.clock.now().getTime() };
  }

  private async refuseOther(kept: StoredHead, target: SignedCheckpoint): Promise<void> {
    if (kept.size > target.size) {
      throw new Error(
        `The tile store knows ${kept.size} entries and the database ${target.size}: it may come from an old backup.`,
      );
    }
    try {
      await this.tiles.refuseOtherRoot(kept.size, kept.root);
    } catch (cause) {
      throw new Error(`The tile store holds a checkpoint of ${kept.size} entries of another tree.`, { cause });
    }
  }
}

/**
 * From where to write. Progress counts as long as the store still has the checkpoint that was put there; one that was
 * emptied or put back to an older state is filled again from there.
 */
function coveredFrom({ covered, size }: TileExport, kept: StoredHead | undefined): bigint {
  const known = kept?.size ?? 0n;
  return known >= size ? covered : min(covered, known);
}

async function write(store: TileStore, files: AsyncIterable<StoredFile>): Promise<void> {
  let chunk: StoredFile[] = [];
  let bytes = 0;
  for await (const file of files) {
    chunk.push(file);
    bytes += file.bytes.length;
    if (chunk.length < CHUNK.files && bytes < CHUNK.bytes) continue;
    await store.create(chunk);
    [chunk, bytes] = [[], 0];
  }
  await store.create(chunk);
}

async function replaceIfOther(store: TileStore, file: StoredFile): Promise<void> {
  const kept = await store.read(file.path);
  if (!kept || !areEqualBytes(kept.bytes, file.bytes)) await store.replace(file, kept);
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
