import {
  AuditorFault,
  checkReceipt,
  IndexCheck,
  LogCheck,
  LogKeyHistory,
  readGenesis,
  TileBuilder,
  type CheckedRow,
  type Seal,
  type Tile,
} from '@margo-trust/auditor';
import { areEqualBytes, encodeBase64Url, encodeHex } from '@margo-trust/bytes';
import { checkSignatureOnPool } from '@margo-trust/crypto/async';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import { Fault } from '@margo-trust/fault';
import { hashLeaf } from '@margo-trust/merkle';
import { prepareStatementCheck, type Statement } from '@margo-trust/statement';
import { bundlePath, encodeEntryBundle, tilePath, type VerifierKey } from '@margo-trust/tlog';
import { parseCertificate } from '@margo-trust/x509';
import { loadCheckpoint, type AuditedLog } from './audited-log.ts';
import { walkLog, type FetchedBundle } from './walk-log.ts';

export interface FsckOptions {
  /** How many receipts to ask for and check; `all` for every entry. */
  readonly receipts: number | 'all';
  /** Whether to check the signature of every statement too. */
  readonly signatures: boolean;
  onProgress(entries: bigint, of: bigint): void;
}

export interface FsckReport {
  readonly entries: bigint;
  readonly root: Uint8Array;
  readonly erased: number;
  readonly raw: number;
  readonly tiles: number;
  readonly receipts: number;
  readonly signatures: number;
  /** Recorded roots of the index for complete answers, each compared. */
  readonly indexes: number;
}

interface SealedRow {
  readonly checked: CheckedRow;
  readonly seal: Seal;
}

/**
 * Recomputes a log from its statements, and holds everything that it shows against the result: entry bundles, tiles,
 * heads, checkpoint, and receipts. Throws an AuditorFault at the first thing that differs.
 */
export class Fsck {
  private readonly log: AuditedLog;
  private readonly options: FsckOptions;
  private readonly builder = new TileBuilder();
  private readonly index = new IndexCheck();
  private readonly counts = { erased: 0, raw: 0, tiles: 0, receipts: 0, signatures: 0 };
  private history: LogKeyHistory | undefined;
  /** Rows that no head has covered yet. */
  private unsealed: CheckedRow[] = [];

  constructor(log: AuditedLog, options: FsckOptions) {
    this.log = log;
    this.options = options;
  }

  async run(): Promise<FsckReport> {
    const { files, key } = this.log;
    const checkpoint = await loadCheckpoint(this.log);
    const check = new LogCheck(key.name);
    const bundles = (checkpoint.size + 255n) / 256n;
    for await (const bundle of walkLog(files, 0n, checkpoint.size)) {
      const rows = await this.add(check, bundle);
      this.follow(rows, key);
      this.count(rows);
      this.index.add(rows);
      await this.compareFiles(bundle, rows);
      if (this.options.signatures) await this.checkSignatures(rows);
      const sealed = this.takeSealed(rows, bundle.evidence.seals);
      await this.checkReceipts(sample(sealed, this.options.receipts, Number(bundles)));
      this.options.onProgress(check.size, checkpoint.size);
    }
    await this.compareTiles(this.builder.partial());
    check.conclude(checkpoint);
    // By the keys that the log's own records name, and not only by those that were known before.
    this.history?.verify(checkpoint.note, verifyMlDsa44);
    return { entries: check.size, root: check.root, ...this.counts, indexes: this.index.report.roots };
  }

  /** The keys that the rows name, from the second one on. */
  private follow(rows: readonly CheckedRow[], key: VerifierKey): void {
    if (!this.history) this.history = new LogKeyHistory(readGenesis(rows, key));
    for (const row of rows) if (row.index > 1n) this.history.add(row);
  }

  /** When the entries no longer lead to their heads, the leaves in the log's own tile tell which one was replaced. */
  private async add(check: LogCheck, { index, width, evidence }: FetchedBundle): Promise<CheckedRow[]> {
    try {
      return check.add(evidence);
    } catch (cause) {
      if (!(cause instanceof AuditorFault) || cause.code !== 'audit/wrong-seal') throw cause;
      const tile = await this.log.files.load(tilePath({ level: 0, index, width }));
      const leaves = evidence.rows.map(({ kind, entry, body }) => hashLeaf(kind === 'raw' && body ? body : entry));
      const place = tile ? leaves.findIndex((leaf, i) => !areEqualBytes(leaf, tile.subarray(i * 32, i * 32 + 32))) : -1;
      if (!tile || place < 0) throw cause;
      const entry = index * 256n + BigInt(place);
      const leaf = encodeHex(leaves[place] ?? new Uint8Array());
      const message = `Entry ${entry} was replaced: its tile holds the leaf ${hashAt(tile, place)}, what is shown for it leads to ${leaf}.`;
      throw new AuditorFault('audit/changed-statement', message, { index: entry, cause });
    }
  }

  private count(rows: readonly CheckedRow[]): void {
    for (const { row } of rows) {
      if (row.kind === 'erased') this.counts.erased += 1;
      if (row.kind === 'raw') this.counts.raw += 1;
    }
  }

  /** What C2SP readers are shown of these entries. */
  private async compareFiles({ index, width }: FetchedBundle, rows: readonly CheckedRow[]): Promise<void> {
    const shown = await this.log.files.load(bundlePath(index, width), 20 << 20);
    const first = index * 256n;
    if (!shown) throw missingFile(bundlePath(index, width));
    const expected = encodeEntryBundle(rows.map(({ leaf }) => leaf));
    if (!areEqualBytes(shown, expected)) {
      const message = `The entry bundle of entries from ${first} on holds other entries than the evidence.`;
      throw new AuditorFault('audit/wrong-tile', message, { index: first });
    }
    await this.compareTiles(this.builder.add(rows.map(({ leafHash }) => leafHash)));
  }

  private async compareTiles(tiles: readonly Tile[]): Promise<void> {
    for (const { ref, bytes } of tiles) {
      const shown = await this.log.files.load(tilePath(ref));
      if (!shown) throw missingFile(tilePath(ref));
      if (areEqualBytes(shown, bytes)) continue;
      const place = firstDifference(shown, bytes) >> 5;
      const covered = (ref.index * 256n + BigInt(place)) << BigInt(8 * ref.level);
      throw new AuditorFault(
        'audit/wrong-tile',
        `${tilePath(ref)} differs at hash ${place} (entries from ${covered} on): it holds ${hashAt(shown, place)}, the entries lead to ${hashAt(bytes, place)}.`,
        { index: covered },
      );
    }
    this.counts.tiles += tiles.length;
  }

  private async checkSignatures(rows: readonly CheckedRow[]): Promise<void> {
    await Promise.all(
      rows.map(async ({ index, statement }) => {
        if (!statement) return;
        try {
          await checkSignatureOnPool(prepareStatementCheck(statement, this.keyOf(statement, index)));
        } catch (cause) {
          if (!(cause instanceof Fault)) throw cause;
          const message = `The signature of entry ${index} does not hold: ${cause.message}`;
          throw new AuditorFault('audit/wrong-signature', message, { index, cause });
        }
        this.counts.signatures += 1;
      }),
    );
  }

  private keyOf({ kid, chain }: Statement, index: bigint) {
    const record = kid && this.history?.recordKeysAt(index).find((known) => areEqualBytes(known.kid, kid));
    const [leaf] = chain;
    if (record) return record.key;
    if (leaf) return parseCertificate(leaf).publicKey;
    throw new AuditorFault('audit/wrong-signature', 'No key comes with it.');
  }

  private takeSealed(rows: readonly CheckedRow[], seals: readonly Seal[]): SealedRow[] {
    const sealed: SealedRow[] = [];
    this.unsealed.push(...rows);
    for (const seal of seals) {
      if (seal.size === 1n) continue; // a receipt cannot express a tree of one leaf
      const end = this.unsealed.findIndex(({ index }) => index >= seal.size);
      const covered = this.unsealed.splice(0, end < 0 ? this.unsealed.length : end);
      sealed.push(...covered.map((checked) => ({ checked, seal })));
    }
    return sealed;
  }

  private async checkReceipts(rows: readonly SealedRow[]): Promise<void> {
    const { files, key } = this.log;
    const keys = this.history?.receiptKeys ?? [];
    if (files.isDirectory) return; // a mirror has no service that gives receipts
    for (let at = 0; at < rows.length; at += 16) {
      await Promise.all(
        rows.slice(at, at + 16).map(async ({ checked, seal }) => {
          const { index, row } = checked;
          const receipt = await files.loadReceipt(encodeBase64Url(row.entry));
          if (!receipt) {
            throw new AuditorFault('audit/missing-entry', `Entry ${index} has no receipt.`, { index });
          }
          checkReceipt(receipt, { index, row, seal }, key.name, keys);
          this.counts.receipts += 1;
        }),
      );
    }
  }
}

/** Evenly spread over the log: as many of each bundle as make up the number wanted, and at least one until it is reached. */
function sample(rows: readonly SealedRow[], wanted: number | 'all', bundles: number): SealedRow[] {
  if (wanted === 'all') return [...rows];
  const share = Math.min(rows.length, Math.ceil(wanted / Math.max(1, bundles)));
  const step = rows.length / Math.max(1, share);
  return Array.from({ length: share }, (_, n) => rows[Math.floor(n * step)]).filter((row) => row !== undefined);
}

function missingFile(path: string): AuditorFault {
  return new AuditorFault('audit/missing-entry', `${path} is missing, and the checkpoint covers it.`);
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const at = b.findIndex((byte, i) => byte !== a[i]);
  return at < 0 ? b.length : at;
}

function hashAt(bytes: Uint8Array, place: number): string {
  return encodeHex(bytes.slice(place * 32, place * 32 + 32)) || 'nothing';
}
