import { Injectable } from '@nestjs/common';
import { Db, type Tx } from '../../db/db.ts';
import { LogIdentity } from '../log-identity.ts';

/** How far a tile store has got. A store that was never written to stands at zero. */
export interface TileExport {
  /** Every full tile and bundle of a tree of so many leaves is in the store, durably. May be ahead of `size`. */
  readonly covered: bigint;
  /** Every full bundle of evidence of a tree of so many leaves is there. */
  readonly evidence: bigint;
  /** Of the checkpoint last put there. */
  readonly size: bigint;
  /** Partial tiles whose full one lies below this size are gone. */
  readonly pruned: bigint;
  /** What `size` was when partial tiles were last looked after, at `prunedAt`. */
  readonly settled: bigint;
  readonly prunedAt?: Date;
}

interface Row {
  covered: string;
  evidence: string;
  size: string;
  pruned: string;
  settled: string;
  pruned_at: Date | null;
}

/** What was put into tile stores. Each place has its own row, so that a new one begins at nothing. */
@Injectable()
export class TileExportStore {
  constructor(
    private readonly db: Db,
    private readonly identity: LogIdentity,
  ) {}

  async load(store: string): Promise<TileExport> {
    const [row] = await this.db.query<Row>('SELECT * FROM tile_export WHERE log_id = $1 AND store = $2', [
      this.identity.logId,
      store,
    ]);
    if (!row) return { covered: 0n, evidence: 0n, size: 0n, pruned: 0n, settled: 0n };
    return {
      covered: BigInt(row.covered),
      evidence: BigInt(row.evidence),
      size: BigInt(row.size),
      pruned: BigInt(row.pruned),
      settled: BigInt(row.settled),
      ...(row.pruned_at && { prunedAt: row.pruned_at }),
    };
  }

  /** Holds the row until the transaction ends: checkpoints are put into a store one after the other. */
  async lock(tx: Tx, store: string): Promise<void> {
    const parameters = [this.identity.logId, store];
    await tx.query('INSERT INTO tile_export (log_id, store) VALUES ($1, $2) ON CONFLICT DO NOTHING', parameters);
    await tx.query('SELECT 1 FROM tile_export WHERE log_id = $1 AND store = $2 FOR UPDATE', parameters);
  }

  /** Notes progress. What the row has passed already stays as it is. */
  async advance(tx: Tx, store: string, to: Partial<TileExport>): Promise<void> {
    await this.lock(tx, store);
    await tx.query(
      `UPDATE tile_export SET covered = GREATEST(covered, $3), size = GREATEST(size, $4), pruned = GREATEST(pruned, $5),
         settled = GREATEST(settled, $6), pruned_at = COALESCE($7, pruned_at), evidence = GREATEST(evidence, $8)
       WHERE log_id = $1 AND store = $2`,
      [
        this.identity.logId,
        store,
        (to.covered ?? 0n).toString(),
        (to.size ?? 0n).toString(),
        (to.pruned ?? 0n).toString(),
        (to.settled ?? 0n).toString(),
        to.prunedAt ?? null,
        (to.evidence ?? 0n).toString(),
      ],
    );
  }

  /** Notes a name of a bundle's evidence before there is a file of that name. The plain name needs no note where it is the only one. */
  async intend(tx: Tx, store: string, bundle: bigint, revision: string): Promise<void> {
    const parameters = [this.identity.logId, store, bundle.toString()];
    const known = await tx.query<unknown[]>(
      'SELECT 1 FROM evidence_file WHERE log_id = $1 AND store = $2 AND bundle = $3 LIMIT 1',
      parameters,
    );
    if (known.length === 0 && revision === '') return;
    const names = known.length === 0 ? ['', revision] : [revision];
    await tx.query(
      `INSERT INTO evidence_file (log_id, store, bundle, revision) SELECT $1, $2, $3, unnest($4::text[])
       ON CONFLICT DO NOTHING`,
      [...parameters, names],
    );
  }

  /** Makes one name of a bundle's evidence the one that readers are pointed to. */
  async point(tx: Tx, store: string, bundle: bigint, revision: string): Promise<void> {
    const parameters = [this.identity.logId, store, bundle.toString(), revision];
    const where = 'log_id = $1 AND store = $2 AND bundle = $3';
    await tx.query(
      `UPDATE evidence_file SET is_current = false WHERE ${where} AND is_current AND revision <> $4`,
      parameters,
    );
    await tx.query(
      `UPDATE evidence_file SET is_current = true WHERE ${where} AND NOT is_current AND revision = $4`,
      parameters,
    );
  }

  /** Bundles that readers are pointed to under another name than the plain one. */
  async revised(tx: Tx, store: string): Promise<Map<bigint, string>> {
    const rows = await tx.query<{ bundle: string; revision: string }[]>(
      `SELECT bundle, revision FROM evidence_file WHERE log_id = $1 AND store = $2 AND is_current AND revision <> ''`,
      [this.identity.logId, store],
    );
    return new Map(rows.map(({ bundle, revision }) => [BigInt(bundle), revision]));
  }

  /** Names that nobody is pointed to and that may have files. */
  async superseded(store: string): Promise<{ bundle: bigint; revision: string }[]> {
    const rows = await this.db.query<{ bundle: string; revision: string }>(
      'SELECT bundle, revision FROM evidence_file WHERE log_id = $1 AND store = $2 AND NOT is_current ORDER BY bundle',
      [this.identity.logId, store],
    );
    return rows.map(({ bundle, revision }) => ({ bundle: BigInt(bundle), revision }));
  }

  /** Once its files are gone. */
  async forget(tx: Tx, store: string, bundle: bigint, revision: string): Promise<void> {
    await tx.query(
      `DELETE FROM evidence_file WHERE log_id = $1 AND store = $2 AND bundle = $3 AND revision = $4 AND NOT is_current`,
      [this.identity.logId, store, bundle.toString(), revision],
    );
  }
}
