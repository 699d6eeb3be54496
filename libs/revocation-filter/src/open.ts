import { areEqualBytes, BytesFault, compareBytes, parseUtf8 } from '@margo-trust/bytes';
import { FilterFault } from './fault.ts';
import { KEY_WORDS, MAX_KEY_ID, readWord, writeFilterKey } from './key.ts';
import { HASH_SHA256, MAGIC, MAX_LEVELS, MAX_ORIGIN, MAX_PROBES, SALT_BYTES } from './layout.ts';
import { isInLevel, type Level, seedOf } from './level.ts';

/** A filter, read in place: it keeps the bytes it was opened from, and they must not change. */
export interface RevocationFilter {
  readonly origin: string;
  /** It knows every certificate of its issuers in the first `logSize` entries of that log. */
  readonly logSize: number;
  readonly issued: number;
  readonly revoked: number;
  readonly issuers: readonly Uint8Array[];
  /** Whether the filter is about certificates of the CA with this key identifier. */
  covers(issuerKeyId: Uint8Array): boolean;
  /**
   * Whether the certificate is revoked. Exact for those that {@link covers} and that the log held at `logSize`; for any
   * other the answer means nothing. Takes the time of one SHA-256 and a few bits a level.
   */
  isRevoked(issuerKeyId: Uint8Array, serial: Uint8Array): boolean;
}

/**
 * Opens a filter without copying it. Looks at the header only, whatever the size; bytes that are not exactly one filter are
 * filter/malformed. That a filter is true is not in it: it must come from somebody trusted.
 */
export function openRevocationFilter(bytes: Uint8Array): RevocationFilter {
  const reader = new Reader(bytes);
  if (reader.word() !== MAGIC) throw malformed('It is no revocation filter of version 1');
  if (reader.byte() !== HASH_SHA256) throw malformed('Its hash is not SHA-256');
  const salt = reader.take(SALT_BYTES);
  const [logSize, issued, revoked] = [reader.long(), reader.long(), reader.long()];
  if (revoked > issued) throw malformed('More are revoked than were issued');
  const origin = readOrigin(reader.take(reader.within(1, MAX_ORIGIN)));
  const issuers = Array.from({ length: reader.byte() }, () => reader.take(reader.within(1, MAX_KEY_ID)));
  for (const [i, id] of issuers.entries()) {
    const before = issuers[i - 1];
    if (before && compareBytes(before, id) >= 0) throw malformed('Its issuers are not in order');
  }
  const levels = readLevels(reader, salt);
  if (revoked > 0 !== levels.length > 0) throw malformed('Its levels contradict its count');
  return {
    origin,
    logSize,
    issued,
    revoked,
    issuers,
    covers: (issuerKeyId) => issuers.some((id) => areEqualBytes(id, issuerKeyId)),
    isRevoked: (issuerKeyId, serial) => {
      const key = writeFilterKey(new Uint32Array(KEY_WORDS), 0, issuerKeyId, serial);
      // The first level that does not know it tells: the even ones hold revoked certificates, the odd ones valid ones.
      const first = levels.findIndex((level) => !isInLevel(level, key, 0));
      return (first === -1 ? levels.length : first) % 2 === 1;
    },
  };
}

function readLevels(reader: Reader, salt: Uint8Array): Level[] {
  const shapes = Array.from({ length: reader.within(0, MAX_LEVELS) }, () => ({
    probes: reader.within(1, MAX_PROBES),
    bits: reader.word(),
  }));
  const levels = shapes.map(({ probes, bits }, n): Level => {
    if (bits < 8) throw malformed('A level is too small');
    const { offset } = reader;
    const last = reader.take(Math.ceil(bits / 8)).at(-1) ?? 0;
    if (bits % 8 !== 0 && (last & (0xff >>> (bits % 8))) !== 0) throw malformed('Bits beyond a level are set');
    return { bytes: reader.bytes, offset, bits, probes, seed: seedOf(salt, n) };
  });
  if (reader.offset !== reader.bytes.length) throw malformed('Bytes follow it');
  return levels;
}

function readOrigin(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch (error) {
    if (error instanceof BytesFault) throw malformed('Its origin is no text', error);
    throw error;
  }
}

class Reader {
  readonly bytes: Uint8Array;
  offset = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** A view of the next bytes. */
  take(length: number): Uint8Array {
    if (length > this.bytes.length - this.offset) throw malformed('It ends early');
    this.offset += length;
    return this.bytes.subarray(this.offset - length, this.offset);
  }

  byte(): number {
    return this.take(1)[0] ?? 0;
  }

  within(min: number, max: number): number {
    const value = this.byte();
    if (value < min || value > max) throw malformed(`A number is not between ${min} and ${max}`);
    return value;
  }

  word(): number {
    return readWord(this.take(4), 0);
  }

  long(): number {
    const value = this.word() * 2 ** 32 + this.word();
    if (!Number.isSafeInteger(value)) throw malformed('A number is too large');
    return value;
  }
}

function malformed(what: string, cause?: Error): FilterFault {
  return new FilterFault('filter/malformed', `${what}.`, cause && { cause });
}
