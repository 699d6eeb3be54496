import { Injectable } from '@nestjs/common';
import { encodeUtf8 } from '@margo-trust/bytes';
import { describeTarget, parseTargets } from '@margo-trust/tuf';
import { encodePem } from '@margo-trust/x509';
import { Db, type Tx } from '../db/db.ts';

export type TufRole = 'root' | 'targets' | 'live' | 'snapshot' | 'timestamp';

/** Which metadata is current. A version of 0: the role has signed nothing yet. */
export interface CurrentTrustRoot extends Readonly<Record<TufRole, number>> {
  /** The state of the registry that the current timestamp vouches for. */
  readonly madeFrom: string;
  /** Absent before the first timestamp. */
  readonly publishedAt?: Date;
}

/** Reads the trust root. Within `tx` everything is seen as that transaction sees it. */
@Injectable()
export class TrustRootReader {
  constructor(private readonly db: Db) {}

  /** Undefined before genesis. */
  async findCurrent(): Promise<CurrentTrustRoot | undefined> {
    const [row] = await this.db.query<CurrentRow>('SELECT * FROM tuf_current');
    return row && toCurrent(row);
  }

  /** The metadata file as it was signed. */
  async findMetadata(role: TufRole, version: number, tx?: Tx): Promise<Uint8Array | undefined> {
    const sql = 'SELECT bytes FROM tuf_metadata WHERE role = $1 AND version = $2';
    const rows = await (tx === undefined
      ? this.db.query<{ bytes: Buffer }>(sql, [role, version])
      : tx.query<{ bytes: Buffer }[]>(sql, [role, version]));
    return rows[0] && Uint8Array.from(rows[0].bytes);
  }

  /** Whether the targets in force carry this certificate as a file of PEM. */
  async lists(der: Uint8Array, tx?: Tx): Promise<boolean> {
    const current = await this.findCurrent();
    if (current === undefined) return false;
    const { signed } = parseTargets(await this.loadMetadata('targets', current.targets, tx));
    const { sha256 } = describeTarget(encodeUtf8(encodePem('CERTIFICATE', der))).hashes;
    return Object.values(signed.targets).some(({ hashes }) => hashes.sha256 === sha256);
  }

  async loadMetadata(role: TufRole, version: number, tx?: Tx): Promise<Uint8Array> {
    const bytes = await this.findMetadata(role, version, tx);
    if (bytes === undefined) throw new Error(`Version ${version} of the ${role} role is current and not there.`);
    return bytes;
  }
}

export interface CurrentRow extends Record<TufRole, number> {
  made_from: string;
  published_at: Date | null;
}

export function toCurrent(row: CurrentRow): CurrentTrustRoot {
  const { root, targets, live, snapshot, timestamp, made_from: madeFrom, published_at: publishedAt } = row;
  return { root, targets, live, snapshot, timestamp, madeFrom, ...(publishedAt && { publishedAt }) };
}
