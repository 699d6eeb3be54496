import { X509Fault } from '../fault.ts';
import { malformed, type DerNode } from './read.ts';
import { TAG } from './tag.ts';
import { derAscii } from './text.ts';

/** UTCTime or GeneralizedTime in the one form RFC 5280 §4.1.2.5 allows: seconds, no fraction, `Z`. */
export function readTime(node: DerNode): Date {
  const text = String.fromCharCode(...node.content.subarray(0, 16));
  if (node.content.length === 13 && node.tag === TAG.utcTime) {
    // RFC 5280 §4.1.2.5.1: two-digit years from 50 on belong to the 20th century.
    return readDigits((text >= '50' ? '19' : '20') + text);
  }
  if (node.content.length === 15 && node.tag === TAG.generalizedTime) return readDigits(text);
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

function readDigits(text: string): Date {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!match) throw malformed('A time is not made of digits and Z.');
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const time = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  // Date.UTC rolls 31 February over to March; only a time that prints as it was read exists.
  if (timeText(time) !== text) throw malformed('A time does not exist in the calendar.');
  return time;
}

function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
}
