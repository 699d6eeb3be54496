import type { EvidenceRow, GovernanceSeen, Seal, Tile } from '@margo-trust/auditor';
import { concatBytes, encodeHex } from '@margo-trust/bytes';
import { rootOfRange, type CompactRange } from '@margo-trust/merkle';
import { CONTENT } from '@margo-trust/statement';
import { rootOfTile } from '@margo-trust/tlog';
import type { Tx } from '../db/db.ts';
import { chainId } from '@margo-trust/policy';
import { FIRST_LOG, type ServedLog } from '../log/served-log.ts';

/** A row and where it lies. */
export interface IndexedRow {
  readonly index: bigint;
  readonly row: EvidenceRow;
}

/** Fills the tables of a log that was lost. What `LogStore` writes batch by batch, written at once. */
export class LogRebuildStore {
  private readonly logId: number;
  private readonly chains = new Map<readonly Uint8Array[], Buffer>();

  constructor(logId: number) {
    this.logId = logId;
  }

  /** Whether the database has no log yet. */
  async isEmpty(tx: Tx): Promise<boolean> {
    const [found] = await tx.query<{ found: boolean }[]>('SELECT EXISTS (SELECT FROM log) AS found');
    return found?.found === false;
  }

  async create(tx: Tx, { name, origin }: ServedLog, openedAt: Date): Promise<void> {
    await tx.query(
      `INSERT INTO log (id, name, origin, leaf_format, opened_at) VALUES ($1, $2, $3, 'cose-digest', $4)`,
      [this.logId, name ?? null, origin, openedAt],
    );
  }

  /** A statement that another log holds too is kept once. */
  async insertRows(tx: Tx, rows: readonly IndexedRow[]): Promise<void> {
    await this.insertChains(tx, rows);
    const statements = rows.filter(({ row }) => row.kind === 'statement');
    await tx.query(
      `INSERT INTO statement (entry, body, chain_id, timestamp_token)
       SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[]) ON CONFLICT DO NOTHING`,
      [
        statements.map(({ row }) => buffer(row.entry)),
        statements.map(({ row }) => buffer(row.body)),
        statements.map(({ row }) => (row.chain.length === 0 ? null : this.chainId(row.chain))),
        statements.map(({ row }) => buffer(row.timestampToken)),
      ],
    );
    await tx.query(
      `INSERT INTO log_entry (log_id, index, entry, content_type, issuer, subject, vendor_id, application_id, version,
                              certificate, registered_at, raw, mentions)
       SELECT $1, index, entry, content_type, issuer, subject, vendor_id, application_id, version, certificate,
              registered_at, raw, ARRAY(SELECT jsonb_array_elements_text(mentions))
       FROM unnest($2::bigint[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                   $10::bytea[], $11::timestamptz[], $12::bytea[], $13::jsonb[])
            AS r (index, entry, content_type, issuer, subject, vendor_id, application_id, version, certificate,
                  registered_at, raw, mentions)`,
      [
        this.logId,
        rows.map(({ index }) => index.toString()),
        rows.map(({ row }) => buffer(row.entry)),
        rows.map(({ row }) => row.contentType),
        rows.map(({ row }) => row.issuer),
        rows.map(({ row }) => row.subject),
        rows.map(({ row }) => row.vendorId ?? null),
        rows.map(({ row }) => row.applicationId ?? null),
        rows.map(({ row }) => row.version ?? null),
        rows.map(({ row }) => buffer(row.certificate)),
        rows.map(({ row }) => row.registeredAt),
        rows.map(({ row }) => (row.kind === 'raw' ? buffer(row.body) : null)),
        rows.map(({ row }) => JSON.stringify(row.mentions)),
      ],
    );
  }

  async insertSeals(tx: Tx, seals: readonly Seal[]): Promise<void> {
    await tx.query(
      `INSERT INTO log_seal (log_id, size, root, committed_at)
       SELECT $1, * FROM unnest($2::bigint[], $3::bytea[], $4::timestamptz[])`,
      [
        this.logId,
        seals.map(({ size }) => size.toString()),
        seals.map(({ root }) => buffer(root)),
        seals.map(({ committedAt }) => committedAt),
      ],
    );
  }

  async insertTiles(tx: Tx, tiles: readonly Tile[]): Promise<void> {
    await tx.query(
      `INSERT INTO log_tile (log_id, level, index, hashes, root)
       SELECT $1, * FROM unnest($2::smallint[], $3::bigint[], $4::bytea[], $5::bytea[])`,
      [
        this.logId,
        tiles.map(({ ref }) => ref.level),
        tiles.map(({ ref }) => ref.index.toString()),
        tiles.map(({ bytes }) => buffer(bytes)),
        tiles.map(({ bytes }) => buffer(rootOfTile(bytes))),
      ],
    );
  }

  /** The head comes last: without it there is no log. */
  async insertHead(tx: Tx, range: CompactRange, committedAt: Date): Promise<void> {
    await tx.query(
      `INSERT INTO log_head (log_id, size, root, frontier, epoch, committed_at) VALUES ($1, $2, $3, $4, 1, $5)`,
      [
        this.logId,
        range.size.toString(),
        buffer(rootOfRange(range)),
        Buffer.from(concatBytes(...range.hashes)),
        committedAt,
      ],
    );
  }

  async hasHead(tx: Tx, { size, root }: { readonly size: bigint; readonly root: Uint8Array }): Promise<boolean> {
    const [row] = await tx.query<{ found: boolean }[]>(
      'SELECT EXISTS (SELECT FROM log_seal WHERE log_id = $1 AND size = $2 AND root = $3) AS found',
      [this.logId, size.toString(), buffer(root)],
    );
    return row?.found === true;
  }

  /** The first of these that no head of the first log was. */
  async findNoHeadOfFirst(tx: Tx, seen: readonly GovernanceSeen[]): Promise<GovernanceSeen | undefined> {
    const [row] = await tx.query<{ position: string }[]>(
      `SELECT position FROM unnest($2::bigint[], $3::bytea[]) WITH ORDINALITY AS s (size, root, position)
       WHERE NOT EXISTS (SELECT FROM log_seal seal WHERE seal.log_id = $1 AND seal.size = s.size AND seal.root = s.root)
       ORDER BY position LIMIT 1`,
      [FIRST_LOG, seen.map(({ size }) => size.toString()), seen.map(({ root }) => buffer(root))],
    );
    return row && seen[Number(row.position) - 1];
  }

  /** The registry's records in the first log whose subject begins so, in order. */
  async recordsAbout(tx: Tx, prefix: 'log:' | 'statement:'): Promise<{ index: bigint; body: Uint8Array }[]> {
    const rows = await tx.query<{ index: string; body: Buffer }[]>(
      `SELECT e.index, s.body FROM log_entry e JOIN statement s ON s.entry = e.entry
       WHERE e.log_id = $1 AND e.content_type = $2 AND starts_with(e.subject, $3) AND e.certificate IS NULL
       ORDER BY e.index`,
      [FIRST_LOG, CONTENT.record, prefix],
    );
    return rows.map(({ index, body }) => ({ index: BigInt(index), body: new Uint8Array(body) }));
  }

  async sizeOfFirst(tx: Tx): Promise<bigint> {
    const [row] = await tx.query<{ size: string }[]>('SELECT size FROM log_head WHERE log_id = $1', [FIRST_LOG]);
    return BigInt(row?.size ?? 0);
  }

  private async insertChains(tx: Tx, rows: readonly IndexedRow[]): Promise<void> {
    const chains = new Map(
      rows.flatMap(({ row }) =>
        row.chain.length === 0 ? [] : [[encodeHex(this.chainId(row.chain)), row.chain] as const],
      ),
    );
    for (const chain of chains.values()) {
      await tx.query('INSERT INTO certificate_chain VALUES ($1, $2) ON CONFLICT DO NOTHING', [
        this.chainId(chain),
        chain.map((der) => Buffer.from(der)),
      ]);
    }
  }

  /** Rows of one bundle share their chains' arrays. */
  private chainId(chain: readonly Uint8Array[]): Buffer {
    const known = this.chains.get(chain);
    if (known) return known;
    if (this.chains.size >= 4096) this.chains.clear();
    const id = Buffer.from(chainId(chain));
    this.chains.set(chain, id);
    return id;
  }
}

function buffer(bytes: Uint8Array | undefined): Buffer | null {
  return bytes === undefined ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
