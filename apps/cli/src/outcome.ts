/** What a command found out: for programs, and in lines for people. */
export interface Outcome {
  /** The same facts as `lines`. Becomes the JSON, with `ok` before it. */
  readonly data: Readonly<Record<string, unknown>>;
  readonly lines: readonly string[];
  /** Default 0. */
  readonly exitCode?: number;
}

/** JSON as programs get it: times as in all our documents, big numbers as text, bytes not at all. */
export function encodeOutcome(ok: boolean, data: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify({ ok, ...data }, replace, 2)}\n`;
}

/** One line of JSON, for commands that tell what happens while they run. */
export function encodeEvent(data: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify(data, replace)}\n`;
}

/** `JSON.stringify` turns a Date into text before it asks; so the Date is taken from its holder. */
function replace(this: unknown, key: string, value: unknown): unknown {
  const held = (this as Record<string, unknown>)[key];
  if (held instanceof Date) return timeText(held);
  return typeof value === 'bigint' ? value.toString() : value;
}

/** `YYYY-MM-DDTHH:MM:SSZ` */
export function timeText(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

/** One fact per line, the names aligned. Facts that are undefined are left out. */
export function factLines(facts: Readonly<Record<string, string | number | undefined>>): string[] {
  const known = Object.entries(facts).filter((fact): fact is [string, string | number] => fact[1] !== undefined);
  const width = Math.max(0, ...known.map(([name]) => name.length));
  return known.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
}

/** Columns for people. */
export function tableLines(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>((found, row) => row.map((cell, i) => Math.max(found[i] ?? 0, cell.length)), []);
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
