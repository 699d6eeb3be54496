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
  const code = textOf(error, 'code');
  const message = error instanceof Error ? error.message : '';
  const isBroken = BROKEN.test(code) && !IN_VAIN.test(textOf(error, 'syscall'));
  if (!isBroken && (UNREACHABLE.test(code) || UNREACHABLE_MESSAGE.test(message))) {
    return new DatabaseFault('database/unavailable', 'The database cannot be reached at the moment.', { cause: error });
  }
  const isLost = isConnectionLost || isBroken || LOST_MESSAGE.test(message);
  if (!isLost && !INTERRUPTED.test(code)) return error;
  return new DatabaseFault(
    'database/interrupted',
    'The database did not finish in time. If this was a change, whether it was kept is not known: ask again.',
    { cause: error },
  );
}

/** The system's codes for a server that is not there, and SQLSTATE for one that starts, stops or has no room for us. */
const UNREACHABLE = /^(?:ECONNREFUSED|ENOTFOUND|ENOENT|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EAI_AGAIN|57P03|53300)$/;
/** The system's codes for a connection that ended; what was sent through it may have been carried out. */
const BROKEN = /^(?:ECONNRESET|ECONNABORTED|EPIPE|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)$/;
/** System calls after which nothing was sent. */
const IN_VAIN = /^(?:connect|getaddrinfo)$/;
/** node-postgres gives these no code. */
const UNREACHABLE_MESSAGE = /^timeout exceeded when trying to connect|^Connection terminated due to connection timeout/;
const LOST_MESSAGE =
  /^Connection terminated|^Client has encountered a connection error|^Client was closed and is not queryable/;
/**
 * SQLSTATE (PostgreSQL, appendix A): connection, deadlock and serialization, resources, locks, cancelling and shutdown,
 * transactions that sat idle, read-only after a failover, and input or output errors of the server.
 */
const INTERRUPTED = /^(?:08...|40...|53...|55P03|57014|57P0.|25P0[23]|25006|58...|XX001)$/;

/** A member of the error, or of node-postgres' below TypeORM's. */
function textOf(error: unknown, member: 'code' | 'syscall'): string {
  if (!(error instanceof Error)) return '';
  const value: unknown = Reflect.get(error, member);
  if (typeof value === 'string') return value;
  return 'driverError' in error && error.driverError !== error ? textOf(error.driverError, member) : '';
}
