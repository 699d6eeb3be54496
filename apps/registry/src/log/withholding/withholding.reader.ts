import { Injectable } from '@nestjs/common';
import { Db } from '../../db/db.ts';
import { LogFault } from '../log.fault.ts';
import type { StoredStatement } from '../log.reader.ts';
import type { WithholdingNote } from './withholding.store.ts';

/** What became of a statement that the public no longer gets. */
export interface Withholding extends WithholdingNote {
  readonly kind: 'restricted' | 'erased';
}

/** Statements that are withheld: why, and, for those who may see them, what they are. */
@Injectable()
export class WithholdingReader {
  constructor(private readonly db: Db) {}

  async find(entry: Uint8Array): Promise<Withholding | undefined> {
    const [found] = await this.db.query<Withholding>(
      `SELECT 'restricted' AS kind, reason, record_entry_id AS "recordEntryId", restricted_at AS at
       FROM restricted_statement WHERE entry = $1
       UNION ALL
       SELECT 'erased', reason, record_entry_id, erased_at FROM statement_erasure WHERE entry = $1`,
      [Buffer.from(entry)],
    );
    return found;
  }

  /** The fault for whoever asked for a statement that `statement` does not hold. */
  async explain(entry: Uint8Array): Promise<LogFault> {
    const withholding = await this.find(entry);
    if (withholding?.kind === 'restricted') {
      return new LogFault(
        'log/statement-restricted',
        'The statement behind this entry is for its vendor and for governance only.',
      );
    }
    return new LogFault('log/statement-erased', 'The statement behind this entry is no longer kept.');
  }

  /** Only for those who may see it. */
  async findRestricted(entry: Uint8Array): Promise<StoredStatement | undefined> {
    const [row] = await this.db.query<{ body: Buffer; certificates: Buffer[] | null; timestamp_token: Buffer | null }>(
      `SELECT body, certificates, timestamp_token
       FROM restricted_statement LEFT JOIN certificate_chain ON id = chain_id WHERE entry = $1`,
      [Buffer.from(entry)],
    );
    if (!row) return undefined;
    return {
      body: Uint8Array.from(row.body),
      chain: (row.certificates ?? []).map((der) => Uint8Array.from(der)),
      ...(row.timestamp_token && { timestampToken: Uint8Array.from(row.timestamp_token) }),
    };
  }
}
