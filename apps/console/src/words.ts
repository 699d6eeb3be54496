/** `1,204`: grouped as English readers expect, whatever the browser's language. */
export function countWords(n: number | bigint): string {
  return n.toLocaleString('en-GB');
}

/** `1 entry`, `2 entries`. */
export function plural(n: number | bigint, one: string, many = `${one}s`): string {
  return `${countWords(n)} ${Number(n) === 1 ? one : many}`;
}

/** `25 November 2026, 21:30 UTC`: one reading for everybody who compares notes. */
export function dateWords(time: Date): string {
  return `${DAY.format(time)}, ${CLOCK.format(time)} UTC`;
}

/** `25 November 2026`, in UTC. */
export function dayWords(time: Date): string {
  return DAY.format(time);
}

/**
 * How long before `now`, in one unit, rounded down: `just now`, `3 minutes ago`, `2 years ago`. A time ahead of `now` by
 * more than clocks usually differ is said to be in the future, because an old age would be a guess.
 */
export function agoWords(time: Date, now: Date): string {
  const seconds = Math.floor((now.getTime() - time.getTime()) / 1000);
  if (seconds < -90) return 'in the future by this device’s clock';
  if (seconds < 5) return 'just now';
  for (const [size, unit] of UNITS) {
    if (seconds >= size) return `${plural(Math.floor(seconds / size), unit)} ago`;
  }
  return `${plural(seconds, 'second')} ago`;
}

/** `12.3 kB`, by thousands as OCI tools print. */
export function sizeWords(bytes: number): string {
  if (bytes < 1000) return plural(bytes, 'byte');
  const units = ['kB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), units.length);
  const value = bytes / 1000 ** power;
  return `${value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power - 1]}`;
}

/** The first and last characters of something too long to read; the whole belongs behind a copy button. */
export function shortened(text: string, head = 10, tail = 6): string {
  return text.length <= head + tail + 1 ? text : `${text.slice(0, head)}…${text.slice(-tail)}`;
}

/** `ociNamespaces` → `OCI namespaces`: a JSON member’s name as a label. Short capitals such as `ST` stay. */
export function labelWords(name: string): string {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .split(/[-_. ]/)
    .map((word) => (ABBREVIATIONS.has(word.toLowerCase()) ? word.toUpperCase() : word))
    .map((word) => (/^[A-Z]{1,4}$|^SHA256$/.test(word) ? word : word.toLowerCase()));
  const [first = '', ...others] = words;
  return [first.charAt(0).toUpperCase() + first.slice(1), ...others].join(' ');
}

/** `a`, `a and b`, `a, b and c`. */
export function listWords(items: readonly string[]): string {
  const last = items[items.length - 1] ?? '';
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} and ${last}`;
}

const ABBREVIATIONS = new Set(['oci', 'uri', 'csr', 'tuf', 'tsa', 'ca', 'crl', 'sha256']);
const UNITS: [number, string][] = [
  [365 * 86400, 'year'],
  [30 * 86400, 'month'],
  [86400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
];
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' });
const CLOCK = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
  timeZone: 'UTC',
});
