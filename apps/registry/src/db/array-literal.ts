/**
 * Arrays in the form that PostgreSQL reads ("Array Input and Output Syntax"), for statements with thousands of elements:
 * node-postgres would look at the type of each, which takes several times as long.
 */
export function numberArray(values: readonly (number | bigint | string | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}

/** The same of text, whatever it holds. */
export function textArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : `"${escape(value)}"`)).join(',')}}`;
}

function escape(text: string): string {
  return SPECIAL.test(text) ? text.replaceAll(/["\\]/g, '\\$&') : text;
}

const SPECIAL = /["\\]/;
