import { StartError } from '../start-error.ts';

/**
 * What the operator can do about an error of a database that he named, as one sentence; undefined when the error is not of a
 * kind that he can mend. It names host, user and database as PostgreSQL does, never the password.
 */
export function explainRefusal(cause: unknown): StartError | undefined {
  const advice = ADVICE[codeOf(cause)];
  return advice === undefined ? undefined : refusal(cause, advice);
}

/** The same for an error while connecting, where there is nothing but the operator's settings to blame. */
export function explainUnreachable(cause: unknown): StartError {
  return explainRefusal(cause) ?? refusal(cause, CHECK);
}

function refusal(cause: unknown, advice: string): StartError {
  return new StartError(`The database of DATABASE_URL cannot be used: ${reasonOf(cause)}. ${advice}`, { cause });
}

const CHECK = 'Check the address and the password.';
const GRANT = "Let the service's user own the database, or at least its schema public and all that is in it.";

/** By SQLSTATE (PostgreSQL, appendix A) or the system's code. */
const ADVICE: Readonly<Record<string, string>> = {
  ERR_INVALID_URL: 'Write postgres://user:password@host:5432/database, with special characters percent-encoded.',
  ECONNREFUSED: 'Check that PostgreSQL runs there, and the address.',
  ENOTFOUND: 'Check the name of the host.',
  '28000': 'Check the user, and pg_hba.conf of the server.',
  '28P01': 'Check the user and the password.',
  '3D000': 'Create the database, or correct its name.',
  '25006': 'Name the primary server: this one only follows it.',
  '42501': GRANT,
  '42P07': GRANT, // another user's tables are there, and invisible to this one
  '53300': 'Allow more connections, or end some.',
  '57P03': 'Wait until the server is up.',
};

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Where a name has several addresses, all of them failed, and only the errors inside say how. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return [...new Set(error.errors.map(reasonOf))].join(', ');
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
}
