import { CliFault } from './fault.ts';

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** `90m`, `24h`, `7d`: seconds. */
export function parseDuration(text: string): number {
  const [, count, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const seconds = SECONDS[unit];
  if (count === undefined || seconds === undefined) {
    throw new CliFault('cli/bad-usage', `${text} is not a length of time.`, 'Write it like 90m, 24h or 7d.');
  }
  return Number(count) * seconds;
}
