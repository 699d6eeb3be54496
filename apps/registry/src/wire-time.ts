/** `YYYY-MM-DDTHH:MM:SSZ`, as every JSON of ours writes times. Fractions of seconds are dropped. */
export function wireTime(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

/** The time written so, or undefined when no calendar has it. */
export function findWireTime(text: string): Date | undefined {
  const time = new Date(text);
  return !Number.isNaN(time.getTime()) && wireTime(time) === text ? time : undefined;
}

/** The last whole second: what certificates, CRLs and time-stamps can express. */
export function wholeSeconds(time: Date): Date {
  return new Date(Math.floor(time.getTime() / 1_000) * 1_000);
}
