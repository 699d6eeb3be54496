import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { DataSource } from 'typeorm';
import type { Pool, PoolClient } from 'pg';
import { Clock } from '../clock.ts';
import { Db, type Tx } from '../db/db.ts';
import { tagOf } from './reply.ts';

/** A file that anyone may fetch at its path. */
export interface PublishedFile {
  body: Uint8Array;
  contentType: string;
  etag: string;
  cacheControl: string;
}

/** Content-addressed or versioned: never changes once published. */
export const IMMUTABLE = 'public, max-age=31536000, immutable';

/** Replaced while it keeps its path: caches must ask again after a few seconds. */
export const fresh = (seconds: number): string => `public, max-age=${seconds}`;

/**
 * Static outputs of the areas, in the database so that they change together with what they describe.
 *
 * Reads are answered from memory. A copy is dropped when the file changes: at once by the process that published it,
 * on PostgreSQL's notification by every other. Without a listening connection nothing is kept.
 * Trusted for: availability only. Everything here is signed or covered by something signed.
 */
@Injectable()
export class PublishedFiles implements OnApplicationShutdown {
  private readonly kept = new Map<string, PublishedFile>();
  private keptBytes = 0;
  /** Counts changes, so that a read begun before a change does not put the old file back. */
  private changes = 0;
  private listener: PoolClient | undefined;
  private isListening = false;
  private isShutDown = false;
  private retry: NodeJS.Timeout | undefined;

  constructor(
    private readonly db: Db,
    private readonly source: DataSource,
    private readonly clock: Clock,
  ) {}

  /** Makes `file` visible at `path` when `tx` commits, replacing what was there. */
  async publish(tx: Tx, path: string, file: Omit<PublishedFile, 'etag'>): Promise<void> {
    await this.publishAll(tx, { [path]: file });
  }

  /** Makes the files visible at their paths when `tx` commits, all at once, replacing what was there. */
  async publishAll(tx: Tx, files: Readonly<Record<string, Omit<PublishedFile, 'etag'>>>): Promise<void> {
    const all = Object.entries(files);
    if (all.length === 0) return;
    await tx.query(
      `INSERT INTO published_file (path, body, content_type, etag, cache_control, published_at)
       SELECT path, body, content_type, etag, cache_control, $6::timestamptz
       FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[]) AS f (path, body, content_type, etag, cache_control)
       ON CONFLICT (path) DO UPDATE SET body = excluded.body, content_type = excluded.content_type,
         etag = excluded.etag, cache_control = excluded.cache_control, published_at = excluded.published_at`,
      [
        all.map(([path]) => path),
        all.map(([, { body }]) => Buffer.from(body)),
        all.map(([, { contentType }]) => contentType),
        all.map(([, { body }]) => tagOf(body)),
        all.map(([, { cacheControl }]) => cacheControl),
        this.clock.now(),
      ],
    );
    const paths = all.map(([path]) => path);
    await tx.query('SELECT pg_notify($1, path) FROM unnest($2::text[]) AS p (path)', [CHANNEL, paths]);
    this.db.afterCommit(tx, () => paths.forEach((path) => this.drop(path)));
  }

  /** What is at `path` now, with the same bytes for everybody. */
  async find(path: string): Promise<PublishedFile | undefined> {
    const kept = this.kept.get(path);
    if (kept !== undefined) return kept;
    const before = this.changes;
    const [row] = await this.db.query<Row>(
      'SELECT body, content_type, etag, cache_control FROM published_file WHERE path = $1',
      [path],
    );
    if (row === undefined) return undefined;
    const file = { body: row.body, contentType: row.content_type, etag: row.etag, cacheControl: row.cache_control };
    if (this.isListening && this.changes === before) this.keep(path, file);
    return file;
  }

  /** What is at `path` for this transaction, its own changes included. */
  async findIn(tx: Tx, path: string): Promise<PublishedFile | undefined> {
    const [row] = await tx.query<Row[]>(
      'SELECT body, content_type, etag, cache_control FROM published_file WHERE path = $1',
      [path],
    );
    return row && { body: row.body, contentType: row.content_type, etag: row.etag, cacheControl: row.cache_control };
  }

  /** The bodies at these paths for this transaction, its own changes included; absent ones are left out. */
  async findAllIn(tx: Tx, paths: readonly string[]): Promise<Map<string, Uint8Array>> {
    const rows = await tx.query<{ path: string; body: Buffer }[]>(
      'SELECT path, body FROM published_file WHERE path = ANY($1)',
      [paths],
    );
    return new Map(rows.map(({ path, body }) => [path, body]));
  }

  /** Begins to listen for changes made elsewhere; from then on files are kept in memory. Lost connections are replaced. */
  async listen(): Promise<void> {
    const { master: pool } = this.source.driver as unknown as { master: Pool };
    const client = await pool.connect();
    const lost = (): void => {
      if (this.listener !== client) return;
      this.deafen();
      this.listenAgain();
    };
    client.on('notification', ({ channel, payload }) => {
      if (channel === CHANNEL && payload !== undefined) this.drop(payload);
    });
    client.on('error', lost);
    client.once('end', lost);
    this.listener = client;
    await client.query(`LISTEN ${CHANNEL}`);
    this.isListening = true;
  }

  onApplicationShutdown(): void {
    this.isShutDown = true;
    clearTimeout(this.retry);
    this.deafen();
  }

  private listenAgain(): void {
    clearTimeout(this.retry);
    if (this.isShutDown) return;
    this.retry = setTimeout(() => {
      this.listen().catch(() => this.listenAgain());
    }, 1_000);
  }

  private deafen(): void {
    this.isListening = false;
    this.changes += 1;
    this.kept.clear();
    this.keptBytes = 0;
    this.listener?.release(true); // not back into the pool: it would go on listening
    this.listener = undefined;
  }

  private keep(path: string, file: PublishedFile): void {
    if (file.body.length > MAX_KEPT_BYTES / 8) return;
    this.remove(path);
    this.keptBytes += file.body.length;
    this.kept.set(path, file);
    for (const oldest of this.kept.keys()) {
      if (this.keptBytes <= MAX_KEPT_BYTES) return;
      this.remove(oldest);
    }
  }

  private drop(path: string): void {
    this.changes += 1;
    this.remove(path);
  }

  private remove(path: string): void {
    this.keptBytes -= this.kept.get(path)?.body.length ?? 0;
    this.kept.delete(path);
  }
}

interface Row {
  body: Buffer;
  content_type: string;
  etag: string;
  cache_control: string;
}

const CHANNEL = 'published_file';
const MAX_KEPT_BYTES = 64 * 1_048_576;
