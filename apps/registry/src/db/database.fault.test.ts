import { describe, expect, it } from 'vitest';
import { asDatabaseFault } from './database.fault.ts';

describe('an error of the database', () => {
  it.each([
    ['a refused connection', system('ECONNREFUSED', 'connect'), 'database/unavailable'],
    ['all addresses refused, which names no system call', system('ECONNREFUSED'), 'database/unavailable'],
    ['a name that nobody knows', system('ENOTFOUND', 'getaddrinfo'), 'database/unavailable'],
    ['no socket file', system('ENOENT', 'connect'), 'database/unavailable'],
    ['a server that does not answer the call', system('ETIMEDOUT', 'connect'), 'database/unavailable'],
    ['a server that starts', system('57P03'), 'database/unavailable'],
    ['a connection that was reset under a statement', system('ECONNRESET', 'read'), 'database/interrupted'],
    ['a connection that was closed before a statement', system('EPIPE', 'write'), 'database/interrupted'],
    ['a connection that fell silent', system('ETIMEDOUT', 'read'), 'database/interrupted'],
    ['a statement that was cancelled', system('57014'), 'database/interrupted'],
    ['a full disk', system('53100'), 'database/interrupted'],
  ])('%s says whether a change may have been kept', (_, error, code) => {
    expect(asDatabaseFault(error)).toMatchObject({ code });
    const wrapped = Object.assign(new Error(error.message), { driverError: error });
    expect(asDatabaseFault(wrapped)).toMatchObject({ code });
  });

  it('stays what it is when asking again would not help', () => {
    const error = system('23505');
    expect(asDatabaseFault(error)).toBe(error);
    expect(asDatabaseFault(error, true)).toMatchObject({ code: 'database/interrupted' });
  });
});

function system(code: string, syscall?: string): Error {
  return Object.assign(new Error(`${syscall ?? 'error'} ${code}`), { code, ...(syscall && { syscall }) });
}
