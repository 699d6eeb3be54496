import { Fault } from '@margo-trust/fault';

export type DatabaseFaultCode = 'database/unavailable' | 'database/interrupted' | 'database/not-replicated';

/** The database did not do what it was asked, and may well do it the next time. */
export class DatabaseFault extends Fault<DatabaseFaultCode> {}

/**
 * The same error as a fault when trying again may help: the connection was lost, the database was shut down, full, or ended
 * a transaction that took too long. `isConnectionLost` tells what the error itself may not.
 */
export function asDatabaseFault(error: unknown, isConnectionLost = false): unknown {
  if (error instanceof Fault) return error;
  const code = codeOf(error);
  if (UNREACHABLE.test(code) || (error instanceof Error && UNREACHABLE_MESSAGE.test(error.message))) {
    return new DatabaseFault('database/unavailable', 'The database cannot be reached at the moment.', { cause: error });
  }
  const isLost = isConnectionLost || (error instanceof Error && LOST_MESSAGE.test(error.message));
  if (!isLost && !INTERRUPTED.test(code)) return error;
  return new DatabaseFault(
    'database/interrupted',
    'The database did not finish in time. If this was a change, whether it was kept is not known: ask again.',
    { cause: error },
  );
}

/** The system's codes for a server that is not there, and SQLSTATE for one that starts, stops or has no room for us. */
const UNREACHABLE = /^(?:ECONN\w+|ENOTFOUND|ENOENT|EPIPE|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EAI_AGAIN|57P03|53300)$/;
/** node-postgres gives these no code. */
const UNREACHABLE_MESSAGE = /^timeout exceeded when trying to connect|^Connection terminated due to connection timeout/;
const LOST_MESSAGE =
  /^Connection terminated|^Client has encountered a connection error|^Client was closed and is not queryable/;
/**
 * SQLSTATE (PostgreSQL, appendix A): connection, deadlock and serialization, resources, locks, cancelling and shutdown,
 * transactions that sat idle, read-only after a failover, and input or output errors of the server.
 */
const INTERRUPTED = /^(?:08...|40...|53...|55P03|57014|57P0.|25P0[23]|25006|58...|XX001)$/;

/** Of the error, or of node-postgres' below TypeORM's. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return '';
  if ('code' in error && typeof error.code === 'string') return error.code;
  return 'driverError' in error && error.driverError !== error ? codeOf(error.driverError) : '';
}
