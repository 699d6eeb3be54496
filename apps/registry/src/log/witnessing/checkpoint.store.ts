import { Injectable } from '@nestjs/common';
import { Db, type Tx } from '../../db/db.ts';
import type { CommittedHead } from '../log.store.ts';

/** A head and the signed note over it (C2SP tlog-checkpoint). */
export interface SignedCheckpoint extends CommittedHead {
  readonly note: Uint8Array;
}

/** The checkpoint as witnesses have cosigned it. */
export interface CosignedCheckpoint extends SignedCheckpoint {
  readonly hasQuorum: boolean;
  readonly cosignedAt: Date;
}

interface CheckpointRow {
  size: string;
  root: Buffer;
  committed_at: Date;
  note: Buffer;
  has_quorum: boolean;
  cosigned_at: Date;
}

/** The published checkpoint of a log that has witnesses. It only grows: see migrations/0045-cosigned-checkpoint.ts. */
@Injectable()
export class CheckpointStore {
  constructor(private readonly db: Db) {}

  async find(logId: number): Promise<CosignedCheckpoint | undefined> {
    const [row] = await this.db.query<CheckpointRow>('SELECT * FROM log_checkpoint WHERE log_id = $1', [logId]);
    return row && toCheckpoint(row);
  }

  /**
   * Publishes a checkpoint, unless a larger one is out or one of this size with a quorum that this lacks. Returns what is
   * published now.
   */
  async publish(tx: Tx, logId: number, checkpoint: CosignedCheckpoint): Promise<CosignedCheckpoint> {
    await tx.query(
      `INSERT INTO log_checkpoint AS old (log_id, size, root, committed_at, note, has_quorum, cosigned_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (log_id) DO UPDATE SET size = EXCLUDED.size, root = EXCLUDED.root, note = EXCLUDED.note,
         committed_at = EXCLUDED.committed_at, has_quorum = EXCLUDED.has_quorum, cosigned_at = EXCLUDED.cosigned_at
       WHERE EXCLUDED.size > old.size OR (EXCLUDED.size = old.size AND EXCLUDED.has_quorum >= old.has_quorum)`,
      [
        logId,
        checkpoint.size.toString(),
        Buffer.from(checkpoint.root),
        checkpoint.committedAt,
        Buffer.from(checkpoint.note),
        checkpoint.hasQuorum,
        checkpoint.cosignedAt,
      ],
    );
    const rows = (await tx.query('SELECT * FROM log_checkpoint WHERE log_id = $1', [logId])) as CheckpointRow[];
    const [row] = rows;
    if (!row) throw new Error('A checkpoint that was just published is gone.');
    return toCheckpoint(row);
  }
}

function toCheckpoint(row: CheckpointRow): CosignedCheckpoint {
  return {
    size: BigInt(row.size),
    root: Uint8Array.from(row.root),
    committedAt: row.committed_at,
    note: Uint8Array.from(row.note),
    hasQuorum: row.has_quorum,
    cosignedAt: row.cosigned_at,
  };
}
