import { Injectable } from '@nestjs/common';
import { numberArray } from '../../db/array-literal.ts';
import type { Tx } from '../../db/db.ts';
import type { EntryFacts, FactId } from './search-facts.ts';

/** An entry's facts as the log keeps them. */
export interface FactRow extends EntryFacts {
  readonly mentions: readonly string[];
}

interface FactRecord {
  vendor_id: string | null;
  application_id: string | null;
  version: string | null;
  content_type: string;
  certificate: Buffer | null;
  subject: string;
  mentions: string;
}

/** What search has written down: sets of entries by fact and block. Made from the log, and never ahead of it. */
@Injectable()
export class SearchStore {
  /** Holds the progress until the transaction ends; how many blocks are finished. */
  async lockProgress(tx: Tx, logId: number): Promise<number> {
    await tx.query('INSERT INTO log_search_progress VALUES ($1, 0) ON CONFLICT DO NOTHING', [logId]);
    const [row] = (await tx.query('SELECT blocks FROM log_search_progress WHERE log_id = $1 FOR UPDATE', [logId])) as {
      blocks: number;
    }[];
    if (!row) throw new Error('The progress of search was written and is gone.');
    return row.blocks;
  }

  async facts(tx: Tx, logId: number, first: bigint, count: number): Promise<FactRow[]> {
    const rows = (await tx.query(
      `SELECT vendor_id, application_id, version, content_type, certificate, subject, array_to_string(mentions, E'\\n') AS mentions
       FROM log_entry WHERE log_id = $1 AND index >= $2 AND index < $3 ORDER BY index`,
      [logId, first.toString(), (first + BigInt(count)).toString()],
    )) as FactRecord[];
    return rows.map(toFacts);
  }

  /** Writes the sets of one block and counts it as finished. In order of fact, which costs the index least. */
  async insertBlock(tx: Tx, logId: number, block: number, sets: ReadonlyMap<FactId, Buffer>): Promise<void> {
    const all = [...sets];
    const starts: number[] = [];
    let next = 1;
    for (const [, members] of all) {
      starts.push(next);
      next += members.length;
    }
    await tx.query(
      `INSERT INTO log_search_set (fact, block, log_id, members)
       SELECT fact, $2, $1, substring($3::bytea FROM s FOR n) FROM unnest($4::bigint[], $5::int[], $6::int[]) AS t (fact, s, n)
       ORDER BY fact`,
      [
        logId,
        block,
        Buffer.concat(all.map(([, members]) => members)),
        numberArray(all.map(([fact]) => fact)),
        numberArray(starts),
        numberArray(all.map(([, members]) => members.length)),
      ],
    );
    await tx.query('UPDATE log_search_progress SET blocks = $2 WHERE log_id = $1', [logId, block + 1]);
  }
}

function toFacts(row: FactRecord): FactRow {
  return {
    contentType: row.content_type,
    subject: row.subject,
    mentions: row.mentions === '' ? [] : row.mentions.split('\n'),
    ...(row.vendor_id !== null && { vendorId: row.vendor_id }),
    ...(row.application_id !== null && { applicationId: row.application_id }),
    ...(row.version !== null && { version: row.version }),
    ...(row.certificate && { certificate: row.certificate }),
  };
}
