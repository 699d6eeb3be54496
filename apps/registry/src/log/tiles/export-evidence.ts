import { Injectable } from '@nestjs/common';
import {
  encodeEvidenceRevisions,
  EVIDENCE_REVISIONS_PATH,
  evidencePath,
  evidenceRevision,
  revisedEvidenceFolder,
  revisedEvidencePath,
} from '@margo-trust/auditor';
import { Db, type Tx } from '../../db/db.ts';
import { LogIdentity } from '../log-identity.ts';
import { type StoredFile, TileStore } from './tile-store.ts';
import { TileExportStore } from './tile-export.store.ts';
import { EvidenceReader } from './evidence.reader.ts';
import { WriteEvidence } from './write-evidence.ts';

const WIDTH = 256n;
/** Bundles written before progress is noted. */
const STEP = 16n;

/**
 * Puts the evidence bundles of `/log/evidence/…` where the tiles lie, so that an auditor needs nothing else.
 *
 * Files there never change, and what may be erased does. So a bundle some of whose statements are withheld lies under a name
 * that says which, `evidence.json` points to it, and the files it replaces are removed: in this order, since readers are on their
 * way. A crash between any two steps leaves the former name pointed to and in place, or files that the next run removes:
 * whatever may have been written is in `evidence_file` before it is.
 */
@Injectable()
export class ExportEvidence {
  /** Bundles written in this run, and their revisions. */
  private readonly written = new Map<bigint, string>();

  constructor(
    private readonly writer: WriteEvidence,
    private readonly reader: EvidenceReader,
    private readonly exports: TileExportStore,
    private readonly identity: LogIdentity,
    private readonly db: Db,
  ) {}

  /**
   * Writes what a tree of `size` needs, and what has changed about older bundles. `known` is the size under the store's own
   * checkpoint. False when `isLate` says so before it is done.
   */
  async write(store: TileStore, known: bigint, size: bigint, isLate: () => boolean): Promise<boolean> {
    this.written.clear(); // what a run that failed has written is found again by what the store's rows say
    const progress = await this.exports.load(store.name);
    const pointed = await this.db.transaction((tx) => this.exports.revised(tx, store.name));
    const put = (bundle: bigint) => this.put(store, bundle, { known, size, pointed: pointed.get(bundle) ?? '' });
    let covered = known >= progress.size ? progress.evidence : min(progress.evidence, known);
    const full = size / WIDTH;
    for (let bundle = covered / WIDTH; bundle < full; bundle = covered / WIDTH) {
      if (isLate()) return false;
      const next = min(bundle + STEP, full);
      for (let at = bundle; at < next; at += 1n) await put(at);
      covered = next * WIDTH;
      // A crash here has the step written again.
      await this.db.transaction((tx) => this.exports.advance(tx, store.name, { evidence: covered }));
    }
    for (const bundle of await this.changed(pointed, size)) await put(bundle);
    if (size % WIDTH > 0n && !this.written.has(full)) await put(full);
    return true;
  }

  /** Points readers to what was written, in the transaction that holds the store's row. */
  async point(tx: Tx, store: TileStore): Promise<void> {
    for (const [bundle, revision] of this.written) await this.exports.point(tx, store.name, bundle, revision);
    const bundles = await this.exports.revised(tx, store.name);
    const bytes = encodeEvidenceRevisions(this.identity.origin, bundles);
    const kept = await store.read(EVIDENCE_REVISIONS_PATH);
    if (kept ? !Buffer.from(kept.bytes).equals(bytes) : bundles.size > 0) {
      await store.replace({ path: EVIDENCE_REVISIONS_PATH, bytes }, kept);
    }
  }

  /** Removes what nobody is pointed to any more. */
  async sweep(store: TileStore): Promise<void> {
    for (const { bundle, revision } of await this.exports.superseded(store.name)) {
      if (revision === '') {
        const path = evidencePath(bundle, Number(WIDTH));
        await store.remove(path);
        await store.removeFolder(`${path}.p`);
      } else {
        await store.removeFolder(revisedEvidenceFolder(bundle, revision));
      }
      // A crash here has it removed again.
      await this.db.transaction((tx) => this.exports.forget(tx, store.name, bundle, revision));
    }
  }

  /** Bundles of which other statements are withheld than the file says that readers are pointed to. */
  private async changed(pointed: ReadonlyMap<bigint, string>, size: bigint): Promise<bigint[]> {
    const withheld = new Map<bigint, number[]>();
    for (const index of await this.reader.withheld(size)) {
      const positions = withheld.get(index / WIDTH) ?? [];
      withheld.set(index / WIDTH, [...positions, Number(index % WIDTH)]);
    }
    const bundles = [...new Set([...withheld.keys(), ...pointed.keys()])];
    return bundles.filter(
      (bundle) =>
        bundle * WIDTH < size &&
        !this.written.has(bundle) &&
        evidenceRevision(withheld.get(bundle) ?? []) !== (pointed.get(bundle) ?? ''),
    );
  }

  /** When its name changes, under the new one also as the store's own checkpoint shows it: there are readers of that. */
  private async put(store: TileStore, bundle: bigint, { known, size, pointed }: Growth): Promise<void> {
    const width = widthOf(bundle, size);
    const { bytes, withheld } = await this.writer.whole(bundle, width);
    const revision = evidenceRevision(withheld);
    const files: StoredFile[] = [{ path: revisedEvidencePath(bundle, width, revision), bytes }];
    const before = widthOf(bundle, known);
    if (revision !== pointed && before > 0 && before < width) {
      const { bytes: narrow } = await this.writer.whole(bundle, before);
      files.push({ path: revisedEvidencePath(bundle, before, revision), bytes: narrow });
    }
    await this.db.transaction((tx) => this.exports.intend(tx, store.name, bundle, revision));
    await store.create(files);
    this.written.set(bundle, revision);
  }
}

interface Growth {
  readonly known: bigint;
  readonly size: bigint;
  /** The revision that readers are pointed to. */
  readonly pointed: string;
}

/** How many entries of a bundle a tree has; 0 or less if none. */
function widthOf(bundle: bigint, size: bigint): number {
  return Number(min(size - bundle * WIDTH, WIDTH));
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
