import { X509Fault } from '../fault.ts';
import { malformed, type DerNode } from './read.ts';
import { TAG } from './tag.ts';
import { derAscii } from './text.ts';

/** UTCTime or GeneralizedTime in the one form RFC 5280 §4.1.2.5 allows: seconds, no fraction, `Z`. */
export function readTime({ tag, content }: DerNode): Date {
  if (content.length === 13 && tag === TAG.utcTime) {
    const year = twoDigits(content, 0);
    // RFC 5280 §4.1.2.5.1: two-digit years from 50 on belong to the 20th century.
    return readSinceMonth(year + (year >= 50 ? 1900 : 2000), content, 2);
  }
  if (content.length === 15 && tag === TAG.generalizedTime) {
    return readSinceMonth(twoDigits(content, 0) * 100 + twoDigits(content, 2), content, 4);
  }
  throw malformed('A time is not in the form YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ.');
}

/** The form RFC 5280 §4.1.2.5 demands: UTCTime through 2049, GeneralizedTime after. */
export function derTime(time: Date): Uint8Array {
  return time.getUTCFullYear() < 2050 ? derUtcTime(time) : derGeneralizedTime(time);
}

export function derUtcTime(time: Date): Uint8Array {
  return derAscii(TAG.utcTime, timeDigits(time).slice(2));
}

export function derGeneralizedTime(time: Date): Uint8Array {
  return derAscii(TAG.generalizedTime, timeDigits(time));
}

/** Parts of a second are refused rather than cut, so that what was asked for is what is signed. */
function timeDigits(time: Date): string {
  const ms = time.getTime();
  if (!(ms >= EARLIEST && ms <= LATEST) || ms % 1000 !== 0) {
    throw new X509Fault('x509/invalid-spec', 'A time must be whole seconds between 1950 and 9999.');
  }
  return timeText(time);
}

const EARLIEST = Date.UTC(1950, 0, 1);
const LATEST = Date.UTC(9999, 11, 31, 23, 59, 59);

/** Month to second and the final Z, from `offset` on. */
function readSinceMonth(year: number, content: Uint8Array, offset: number): Date {
  const month = twoDigits(content, offset);
  const day = twoDigits(content, offset + 2);
  const hour = twoDigits(content, offset + 4);
  const minute = twoDigits(content, offset + 6);
  const second = twoDigits(content, offset + 8);
  if (content[offset + 10] !== 0x5a) throw malformed('A time does not end with Z.');
  const time = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  // Date.UTC rolls 31 February over to March, and years below 100 to the 20th century.
  const exists = time.getUTCFullYear() === year && time.getUTCMonth() === month - 1 && time.getUTCDate() === day;
  if (!exists || hour > 23 || minute > 59 || second > 59) throw malformed('A time does not exist in the calendar.');
  return time;
}

function twoDigits(content: Uint8Array, offset: number): number {
  const [tens, units] = [(content[offset] ?? 0) - 0x30, (content[offset + 1] ?? 0) - 0x30];
  if (tens < 0 || tens > 9 || units < 0 || units > 9) throw malformed('A time is not made of digits and Z.');
  return tens * 10 + units;
}

function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
}
