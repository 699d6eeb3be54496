import { TufFault } from './fault.ts';

/** `YYYY-MM-DDTHH:MM:SSZ` (TUF specification §4.2): milliseconds are cut off, python-tuf reads none. */
export function encodeTufTime(time: Date): string {
  const text = `${time.toISOString().slice(0, -5)}Z`;
  if (!FORM.test(text)) throw new TufFault('tuf/malformed', 'Years have four digits.');
  return text;
}

/** Reads exactly what {@link encodeTufTime} writes. */
export function parseTufTime(text: string): Date {
  const time = new Date(text);
  // The round trip refuses 31 February, which JavaScript would read as March.
  if (!FORM.test(text) || Number.isNaN(+time) || encodeTufTime(time) !== text) {
    throw new TufFault('tuf/malformed', 'Times are written YYYY-MM-DDTHH:MM:SSZ.');
  }
  return time;
}

const FORM = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
