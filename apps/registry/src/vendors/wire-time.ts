/** `YYYY-MM-DDTHH:MM:SSZ`, as every JSON of ours writes times. Fractions of seconds are dropped. */
export function wireTime(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
