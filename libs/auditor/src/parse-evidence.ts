import { CborFault, decodeCbor, type CborValue } from '@margo-trust/cbor';
import { AuditorFault } from './fault.ts';
import { EVIDENCE_TYPE, KINDS, SEALS_TYPE, type EvidenceRow, type LogEvidence, type Seal } from './evidence.ts';

/**
 * Reads a bundle that {@link encodeEvidence} wrote, or a peer: at most 512 MiB. Items that follow those known here are
 * left alone, so that later versions may say more.
 *
 * That entries, leaves and heads belong together is not looked at: see `LogCheck`.
 */
export function parseEvidence(bytes: Uint8Array): LogEvidence {
  const [type, origin, first, rows, chains, seals] = list(decode(bytes), 6);
  if (type !== EVIDENCE_TYPE) throw refused(`It is not of type ${EVIDENCE_TYPE}.`);
  const known = list(chains).map(chainOf);
  const bundle = {
    origin: text(origin),
    first: unsigned(first),
    rows: list(rows).map((row) => rowOf(row, known)),
    seals: list(seals).map(sealOf),
  };
  if (bundle.first % WIDTH !== 0n) throw refused('It does not begin at a multiple of 256.');
  if (bundle.rows.length < 1 || bundle.rows.length > WIDTH) throw refused('It has not 1 to 256 rows.');
  return bundle;
}

/** Reads a page of seals as {@link encodeSeals} writes it. */
export function parseSeals(bytes: Uint8Array): { origin: string; seals: Seal[] } {
  const [type, origin, seals] = list(decode(bytes), 3);
  if (type !== SEALS_TYPE) throw refused(`It is not of type ${SEALS_TYPE}.`);
  return { origin: text(origin), seals: list(seals).map(sealOf) };
}

function rowOf(value: CborValue, chains: readonly (readonly Uint8Array[])[]): EvidenceRow {
  const [kind, entry, body, at, contentType, issuer, subject, ...rest] = list(value, 14);
  const [vendorId, applicationId, version, certificate, chain, timestampToken, mentions] = rest;
  const known = KINDS[Number(unsigned(kind))];
  if (known === undefined) throw refused('A row is of an unknown kind.');
  if ((body === null) !== (known === 'erased')) throw refused('A row of its kind has no such body.');
  const placed = chain === null ? [] : chains[Number(unsigned(chain))];
  if (placed === undefined) throw refused('A row names a chain that is not there.');
  return {
    kind: known,
    entry: hash(entry),
    ...(body !== null && { body: byteString(body) }),
    registeredAt: time(at),
    contentType: text(contentType),
    issuer: text(issuer),
    subject: text(subject),
    ...(vendorId !== null && { vendorId: text(vendorId) }),
    ...(applicationId !== null && { applicationId: text(applicationId) }),
    ...(version !== null && { version: text(version) }),
    ...(certificate !== null && { certificate: hash(certificate) }),
    chain: placed,
    ...(timestampToken !== null && { timestampToken: byteString(timestampToken) }),
    mentions: list(mentions).map(text),
  };
}

function chainOf(value: CborValue): readonly Uint8Array[] {
  const chain = list(value, 1).map(byteString);
  if (chain.length > MAX_CHAIN) throw refused(`A chain has at most ${MAX_CHAIN} certificates.`);
  return chain;
}

function sealOf(value: CborValue): Seal {
  const [size, root, committedAt] = list(value, 3);
  return { size: unsigned(size), root: hash(root), committedAt: time(committedAt) };
}

function decode(bytes: Uint8Array): CborValue {
  if (bytes.length > MAX_BYTES) throw refused(`It is longer than ${MAX_BYTES} bytes.`);
  try {
    return decodeCbor(bytes, { maxDepth: 4, maxItems: MAX_ITEMS });
  } catch (cause) {
    if (cause instanceof CborFault) throw refused(cause.message, cause);
    throw cause;
  }
}

function list(value: CborValue, atLeast = 0): readonly CborValue[] {
  if (!Array.isArray(value) || value.length < atLeast) throw refused('An item is not the array it should be.');
  return value as readonly CborValue[];
}

function text(value: CborValue): string {
  if (typeof value !== 'string') throw refused('An item is not the text it should be.');
  return value;
}

function byteString(value: CborValue): Uint8Array {
  if (!(value instanceof Uint8Array)) throw refused('An item is not the byte string it should be.');
  return value;
}

function hash(value: CborValue): Uint8Array {
  if (!(value instanceof Uint8Array) || value.length !== 32) throw refused('A hash has 32 bytes.');
  return value;
}

function unsigned(value: CborValue): bigint {
  if ((typeof value !== 'number' && typeof value !== 'bigint') || value < 0) throw refused('A number is no count.');
  return BigInt(value);
}

/** Milliseconds since 1970, before the year 10000. */
function time(value: CborValue): Date {
  if (typeof value !== 'number' || value < 0 || value >= 253_402_300_800_000) throw refused('A time is out of range.');
  return new Date(value);
}

function refused(why: string, cause?: unknown): AuditorFault {
  return new AuditorFault('audit/bad-evidence', `The evidence cannot be read: ${why}`, { cause });
}

const WIDTH = 256n;
const MAX_CHAIN = 16;
const MAX_BYTES = 512 << 20;
/** 256 rows with 10,000 mentions each, which is what fits into 1 MiB of statement. */
const MAX_ITEMS = 4 << 20;
