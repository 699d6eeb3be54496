import { Injectable } from '@nestjs/common';
import { encodeEvidence, EvidenceEncoder, type EvidenceRow } from '@margo-trust/auditor';
import { encodeBase64Url, encodeHex, encodeUtf8, concatBytes } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { refuseDamagedStatement } from '../damage.ts';
import { EvidenceReader, type EvidenceItem } from './evidence.reader.ts';
import { LogFault } from '../log.fault.ts';
import { LogIdentity } from '../log-identity.ts';

/** A bundle that can be written in pieces, and what it would be called. */
export interface EvidenceBundle {
  /** A strong entity tag (RFC 9110 §8.8.3): all of a bundle but what was erased stands still. */
  readonly etag: string;
  /** About 4 MiB each at most, beyond a single statement. */
  pieces(): AsyncIterable<Uint8Array>;
}

const PIECE_BYTES = 4 << 20;
/** Indices are signed 64-bit numbers in the database. */
const LIMIT = (1n << 63n) / 256n - 1n;

/**
 * Writes the bundles of `/log/evidence/…` (docs/formats.md). A bundle of full-sized statements is a quarter of a
 * gigabyte, so bodies are read and handed on in groups.
 */
@Injectable()
export class WriteEvidence {
  constructor(
    private readonly reader: EvidenceReader,
    private readonly identity: LogIdentity,
  ) {}

  /** Rows `[256 · index, 256 · index + width)`; a Fault when the log is not that large. */
  async run(index: bigint, width: number): Promise<EvidenceBundle> {
    const first = index * 256n;
    const items = index < LIMIT ? await this.reader.items(first, width) : [];
    if (items.length !== width) throw new LogFault('log/no-such-tile', 'The log has no such evidence.');
    return { etag: this.etagOf(first, items), pieces: () => this.write(first, items) };
  }

  /** A bundle in one piece, and the positions of its statements that are withheld, as they are in these very bytes. */
  async whole(index: bigint, width: number): Promise<{ bytes: Uint8Array; withheld: number[] }> {
    const first = index * 256n;
    const items = await this.reader.items(first, width);
    if (items.length !== width) throw new Error(`Entries of a committed tree are missing, from ${first} on.`);
    const rows: EvidenceRow[] = [];
    for (const group of groups(items)) rows.push(...(await this.fill(group)));
    const seals = await this.reader.seals(first, first + BigInt(width), width);
    const withheld = rows.flatMap(({ kind }, position) => (kind === 'erased' ? [position] : []));
    return { bytes: encodeEvidence({ origin: this.identity.origin, first, rows, seals }), withheld };
  }

  private etagOf(first: bigint, items: readonly EvidenceItem[]): string {
    const kinds = items.map(({ kind }) => kind.charAt(0)).join('');
    const entries = items.map(({ entry }) => entry);
    return `"${encodeBase64Url(sha256(concatBytes(encodeUtf8(`${this.identity.origin} ${first} ${kinds}`), ...entries)))}"`;
  }

  private async *write(first: bigint, items: readonly EvidenceItem[]): AsyncGenerator<Uint8Array> {
    const encoder = new EvidenceEncoder(this.identity.origin, first, items.length);
    let pieces = [encoder.begin()];
    for (const group of groups(items)) {
      for (const row of await this.fill(group)) pieces.push(encoder.row(row));
      yield concatBytes(...pieces);
      pieces = [];
    }
    const last = first + BigInt(items.length);
    yield encoder.end(await this.reader.seals(first, last, items.length));
  }

  /** What was erased since the items were read is erased. */
  private async fill(items: readonly EvidenceItem[]): Promise<EvidenceRow[]> {
    const kept = items.filter(({ kind }) => kind === 'statement');
    const statements = await this.reader.statements(kept.map(({ entry }) => entry));
    return items.map((item) => {
      if (item.kind !== 'statement') return item;
      const body = statements.get(encodeHex(item.entry));
      if (body) refuseDamagedStatement(item.entry, body);
      return body ? { ...item, body } : { ...item, kind: 'erased' };
    });
  }
}

function groups(items: readonly EvidenceItem[]): EvidenceItem[][] {
  const grouped: EvidenceItem[][] = [];
  let bytes = Infinity;
  for (const item of items) {
    if (bytes + item.bodyBytes > PIECE_BYTES) {
      grouped.push([]);
      bytes = 0;
    }
    grouped.at(-1)?.push(item);
    bytes += item.bodyBytes;
  }
  return grouped;
}
