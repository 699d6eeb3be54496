import { concatBytes, encodeHex } from '@margo-trust/bytes';
import { encodeCbor, type CborValue } from '@margo-trust/cbor';
import { EVIDENCE_TYPE, KINDS, SEALS_TYPE, type EvidenceRow, type LogEvidence, type Seal } from './evidence.ts';

/** The deterministic bytes of a bundle (docs/formats.md, "Log evidence"). */
export function encodeEvidence({ origin, first, rows, seals }: LogEvidence): Uint8Array {
  const encoder = new EvidenceEncoder(origin, first, rows.length);
  return concatBytes(encoder.begin(), ...rows.map((row) => encoder.row(row)), encoder.end(seals));
}

/**
 * Writes a bundle piece by piece, for those that are too long to hold: {@link begin}, one {@link row} for each entry in
 * order, {@link end}. The pieces joined are what {@link encodeEvidence} returns.
 */
export class EvidenceEncoder {
  private readonly chains = new Map<string, number>();
  private readonly known = new Map<readonly Uint8Array[], number>();
  private readonly listed: (readonly Uint8Array[])[] = [];
  private readonly origin: string;
  private readonly first: bigint;
  private readonly count: number;

  constructor(origin: string, first: bigint, count: number) {
    this.origin = origin;
    this.first = first;
    this.count = count;
  }

  begin(): Uint8Array {
    return concatBytes(
      arrayHead(6),
      encodeCbor(EVIDENCE_TYPE),
      encodeCbor(this.origin),
      encodeCbor(this.first),
      arrayHead(this.count),
    );
  }

  row(row: EvidenceRow): Uint8Array {
    return encodeCbor([
      KINDS.indexOf(row.kind),
      row.entry,
      row.body ?? null,
      row.registeredAt.getTime(),
      row.contentType,
      row.issuer,
      row.subject,
      row.vendorId ?? null,
      row.applicationId ?? null,
      row.version ?? null,
      row.certificate ?? null,
      row.chain.length === 0 ? null : this.placeOf(row.chain),
      row.timestampToken ?? null,
      row.mentions,
    ]);
  }

  end(seals: readonly Seal[]): Uint8Array {
    return concatBytes(encodeCbor(this.listed), encodeCbor(seals.map(sealItem)));
  }

  /** Chains are written once, in the order in which rows first name them. */
  private placeOf(chain: readonly Uint8Array[]): number {
    const same = this.known.get(chain);
    if (same !== undefined) return same;
    const key = chain.map(encodeHex).join();
    const place = this.chains.get(key) ?? this.listed.push(chain) - 1;
    this.chains.set(key, place);
    this.known.set(chain, place);
    return place;
  }
}

/** The deterministic bytes of a page of seals (docs/formats.md, "Seals"). */
export function encodeSeals(origin: string, seals: readonly Seal[]): Uint8Array {
  return encodeCbor([SEALS_TYPE, origin, seals.map(sealItem)]);
}

function sealItem({ size, root, committedAt }: Seal): CborValue {
  return [size, root, committedAt.getTime()];
}

/** The head of an array of less than 65,536 items (RFC 8949 §3). */
function arrayHead(count: number): Uint8Array {
  if (count < 24) return Uint8Array.of(0x80 | count);
  return count < 256 ? Uint8Array.of(0x98, count) : Uint8Array.of(0x99, count >> 8, count & 255);
}
