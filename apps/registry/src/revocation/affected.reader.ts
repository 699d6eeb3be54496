import { Injectable } from '@nestjs/common';
import { encodeBase64Url, encodeHex, parseHex } from '@margo-trust/bytes';
import type { PreviewOutcome } from '@margo-trust/wire';
import type { AuthorityName } from '../certificates/certificate.reader.ts';
import { Db, type Tx } from '../db/db.ts';
import type { Selector } from './read-target.ts';

/** A certificate that an order is about. */
export interface AffectedCertificate {
  readonly serial: string;
  readonly fingerprint: string;
  readonly vendorId: string;
  readonly issuer: AuthorityName;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** A logged statement that an order is about, and what would become of it. */
export interface AffectedStatement {
  readonly index: bigint;
  readonly entryId: string;
  readonly vendorId: string;
  readonly contentType: string;
  readonly subject: string;
  readonly applicationId?: string;
  readonly version?: string;
  readonly registeredAt: Date;
  readonly outcome: PreviewOutcome;
}

export interface AffectedQuery {
  readonly selector: Selector;
  /** Signatures with trusted time from then on would be refused; absent: all would. */
  readonly refusedFrom?: Date;
  /** The registry's own `iss`: its records are no vendor's statements. */
  readonly registry: string;
}

/**
 * Finds what an order would hit. It reads the log from end to end unless the selector names nothing that was logged: about a
 * second for a million entries, once for each question of a person.
 *
 * The log's time of registration stands for trusted time. A time-stamp of ours in the statement may be earlier; then the
 * signature may keep verifying where this says that it stops.
 */
@Injectable()
export class AffectedReader {
  constructor(private readonly db: Db) {}

  /** The certificates meant, newest first, `limit` at most; none for digests. */
  async certificates(selector: Selector, limit: number, tx?: Tx): Promise<AffectedCertificate[]> {
    if (selector.by === 'digest') return [];
    const { sql, parameters } = certificatesMeant(selector);
    const rows = await this.read<CertificateRow>(
      tx,
      `SELECT serial, fingerprint, vendor_id, issuer, not_before, not_after FROM certificate c WHERE ${sql}
       ORDER BY log_index DESC LIMIT ${limit}`,
      parameters,
    );
    return rows.map((row) => ({
      serial: row.serial,
      fingerprint: encodeHex(row.fingerprint),
      vendorId: row.vendor_id,
      issuer: row.issuer,
      notBefore: row.not_before,
      notAfter: row.not_after,
    }));
  }

  /** Whose key it is: certified here, registered as an anchor, or on the path of something that the log has admitted. */
  async findHolder(key: string, tx?: Tx): Promise<string | undefined> {
    const [row] = await this.read<{ vendor_id: string }>(
      tx,
      `SELECT vendor_id, 1 AS rank FROM certificate WHERE spki_sha256 = $1
       UNION ALL SELECT vendor_id, 2 FROM anchor WHERE spki_sha256 = $1 AND registered_at IS NOT NULL
       UNION ALL SELECT a.vendor_id, 3 FROM anchored_certificate c JOIN anchor a ON a.id = c.anchor_id WHERE c.keys @> ARRAY[$1]
       ORDER BY rank LIMIT 1`,
      [Buffer.from(parseHex(key))],
    );
    return row?.vendor_id;
  }

  async countCertificates(selector: Selector): Promise<number> {
    if (selector.by === 'digest') return 0;
    const { sql, parameters } = certificatesMeant(selector);
    const [row] = await this.db.query<{ n: string }>(
      `SELECT count(*) AS n FROM certificate c WHERE ${sql}`,
      parameters,
    );
    return Number(row?.n ?? 0);
  }

  async counts(query: AffectedQuery): Promise<Record<PreviewOutcome, number>> {
    const { sql, parameters } = statementsMeant(query);
    const rows = await this.db.query<{ outcome: PreviewOutcome; n: string }>(
      `${sql} SELECT outcome, count(*) AS n FROM judged GROUP BY outcome`,
      parameters,
    );
    const counts = { stops: 0, keeps: 0, refused: 0 };
    for (const { outcome, n } of rows) counts[outcome] = Number(n);
    return counts;
  }

  /** A page of the statements, newest first; `before` is the index that the last page ended with. */
  async page(query: AffectedQuery, limit: number, before?: bigint): Promise<AffectedStatement[]> {
    const { sql, parameters } = statementsMeant(query, before);
    const rows = await this.db.query<StatementRow>(
      `${sql} SELECT * FROM judged ORDER BY index DESC LIMIT ${limit}`,
      parameters,
    );
    return rows.map((row) => ({
      index: BigInt(row.index),
      entryId: encodeBase64Url(row.entry),
      vendorId: row.vendor_id,
      contentType: row.content_type,
      subject: row.subject,
      ...(row.application_id !== null && { applicationId: row.application_id }),
      ...(row.version !== null && { version: row.version }),
      registeredAt: row.registered_at,
      outcome: row.outcome,
    }));
  }

  private read<Row>(tx: Tx | undefined, sql: string, parameters: readonly unknown[]): Promise<Row[]> {
    return tx === undefined ? this.db.query<Row>(sql, parameters) : tx.query<Row[]>(sql, [...parameters]);
  }
}

interface Sql {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** A condition on `c`, the table of certificates. */
function certificatesMeant(selector: Exclude<Selector, { by: 'digest' }>): Sql {
  switch (selector.by) {
    case 'serials':
      return { sql: 'c.serial = ANY($1)', parameters: [selector.serials] };
    case 'key':
      return { sql: 'c.spki_sha256 = $1', parameters: [Buffer.from(parseHex(selector.key))] };
    case 'issuer':
      return { sql: 'c.issuer = $1', parameters: [selector.issuer] };
    case 'vendor':
      return { sql: 'c.vendor_id = $1', parameters: [selector.vendorId] };
    case 'window': {
      const { from, until, issuer, vendorId } = selector;
      return {
        sql: `($1::timestamptz IS NULL OR c.issued_at >= $1) AND ($2::timestamptz IS NULL OR c.issued_at < $2)
          AND ($3::text IS NULL OR c.issuer = $3) AND ($4::text IS NULL OR c.vendor_id = $4)`,
        parameters: [from ?? null, until ?? null, issuer ?? null, vendorId ?? null],
      };
    }
  }
}

/** A condition on `e`, the entries of the log. */
function entriesMeant(selector: Selector): Sql {
  if (selector.by === 'vendor') return { sql: 'e.vendor_id = $1', parameters: [selector.vendorId] };
  if (selector.by === 'digest') {
    const { digest, vendorId } = selector;
    return {
      sql: 'e.mentions @> ARRAY[$1::text] AND ($2::text IS NULL OR e.vendor_id = $2)',
      parameters: [digest, vendorId ?? null],
    };
  }
  const { sql, parameters } = certificatesMeant(selector);
  const own = `SELECT c.fingerprint FROM certificate c WHERE ${sql}`;
  if (selector.by !== 'key') return { sql: `e.certificate IN (${own})`, parameters };
  const others = 'SELECT o.fingerprint FROM anchored_certificate o WHERE o.keys @> ARRAY[$1::bytea]';
  return { sql: `e.certificate IN (${own} UNION ${others})`, parameters };
}

/** `WITH … judged`: the vendors' statements that are meant, each with what would become of it. */
function statementsMeant({ selector, refusedFrom, registry }: AffectedQuery, before?: bigint): Sql {
  const { sql, parameters } = entriesMeant(selector);
  const next = (n: number) => `$${parameters.length + n}`;
  const refused = (alias: string) =>
    `(${alias}.kind IS NOT NULL AND (${alias}.refused_from IS NULL OR e.registered_at >= ${alias}.refused_from))`;
  return {
    sql: `
      WITH r AS MATERIALIZED (SELECT kind, target, vendor_id, refused_from FROM current_revocation),
      judged AS (
        SELECT e.index, e.entry, e.vendor_id, e.content_type, e.subject, e.application_id, e.version, e.registered_at,
          CASE WHEN ${['rc', 'rk', 'ri', 'rv'].map(refused).join(' OR ')}
                 OR EXISTS (SELECT FROM anchored_certificate o JOIN r ro
                              ON ro.kind = 'key' AND decode(ro.target, 'hex') = ANY(o.keys)
                            WHERE o.fingerprint = e.certificate
                              AND (ro.refused_from IS NULL OR e.registered_at >= ro.refused_from))
                 OR EXISTS (SELECT FROM r rd WHERE rd.kind = 'digest' AND rd.target = ANY(e.mentions)
                            AND (rd.vendor_id IS NULL OR rd.vendor_id = e.vendor_id)
                            AND (rd.refused_from IS NULL OR e.registered_at >= rd.refused_from)) THEN 'refused'
               WHEN ${next(1)}::timestamptz IS NULL OR e.registered_at >= ${next(1)} THEN 'stops'
               ELSE 'keeps' END AS outcome
        FROM log_entry e
        LEFT JOIN certificate own ON own.fingerprint = e.certificate
        LEFT JOIN r rc ON rc.kind = 'certificate' AND rc.target = own.serial
        LEFT JOIN r rk ON rk.kind = 'key' AND rk.target = encode(own.spki_sha256, 'hex')
        LEFT JOIN r ri ON ri.kind = 'issuer' AND ri.target = own.issuer
        LEFT JOIN r rv ON rv.kind = 'vendor' AND rv.target = e.vendor_id
        WHERE e.vendor_id IS NOT NULL AND e.issuer <> ${next(2)}
          AND (${next(3)}::bigint IS NULL OR e.index < ${next(3)}) AND ${sql})`,
    parameters: [...parameters, refusedFrom ?? null, registry, before?.toString() ?? null],
  };
}

interface CertificateRow {
  serial: string;
  fingerprint: Buffer;
  vendor_id: string;
  issuer: AuthorityName;
  not_before: Date;
  not_after: Date;
}

interface StatementRow {
  index: string;
  entry: Buffer;
  vendor_id: string;
  content_type: string;
  subject: string;
  application_id: string | null;
  version: string | null;
  registered_at: Date;
  outcome: PreviewOutcome;
}
