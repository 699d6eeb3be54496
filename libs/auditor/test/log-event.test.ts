import { encodeBase64 } from '@margo-trust/bytes';
import { makeKey } from '@margo-trust/testkit';
import { encodeVerifierKey } from '@margo-trust/tlog';
import { describe, expect, it } from 'vitest';
import { LogCheck, readLogEvent, type LogEvent } from '../src/index.ts';
import { WorldLog } from './world-log.ts';

const NAME = '2027';
const ORIGIN = '2027.log.example';
const { publicKey } = makeKey('Ed25519');
const OPENED = { log: ORIGIN, name: NAME, checkpointKey: encodeBase64(publicKey.spki) };

/** The event in the one entry that comes after the opening of a log. */
function read(record: string, members: Record<string, unknown>, subject = `log:${ORIGIN}`): LogEvent | undefined {
  const log = new WorldLog();
  log.record(record, subject, members, 'none');
  const rows = [...log.bundles()].flatMap((bundle) => new LogCheck(log.origin).add(bundle));
  expect(readLogEvent(rows[0]!)).toBeUndefined();
  return readLogEvent(rows[2]!);
}

describe('what a record says of a log as a whole', () => {
  it('is under which name and key it was opened', () => {
    const event = read('log-opened', OPENED);
    expect(event).toMatchObject({ what: 'opened', index: 2n, origin: ORIGIN, name: NAME });
    if (event?.what !== 'opened') throw new Error('It was opened.');
    expect(encodeVerifierKey(event.key.name, event.key.publicKey)).toBe(
      encodeVerifierKey(ORIGIN, publicKey.spki.slice(12)),
    );
  });

  it('is how it ended, and of another log where', () => {
    const root = new Uint8Array(32).fill(7);
    expect(read('log-closed', { log: ORIGIN })).toMatchObject({ what: 'closed', origin: ORIGIN });
    expect(read('log-retired', { log: ORIGIN, size: '9' })).toMatchObject({ what: 'retired' });
    expect(read('log-frozen', { log: ORIGIN })).not.toHaveProperty('final');
    expect(read('log-frozen', { log: ORIGIN, size: '9', root: encodeBase64(root) })).toMatchObject({
      final: { size: 9n, root },
    });
  });

  it('is nothing in another record, nor where the subject is no log', () => {
    expect(read('log-key', { log: ORIGIN })).toBeUndefined();
    expect(read('log-opened', OPENED, 'vendor:x')).toBeUndefined();
  });

  it.each([
    ['log-opened', { ...OPENED, name: '../2027' }],
    ['log-opened', { ...OPENED, name: '2028' }],
    ['log-opened', { ...OPENED, name: 'a'.repeat(32), log: `${'a'.repeat(32)}.log.example` }],
    ['log-opened', { ...OPENED, checkpointKey: encodeBase64(makeKey('P-256').publicKey.spki) }],
    ['log-opened', { ...OPENED, checkpointKey: undefined }],
    ['log-frozen', { log: ORIGIN, size: 'x', root: 'AA==' }],
    ['log-frozen', { log: ORIGIN, size: '9' }],
    ['log-retired', {}],
  ])('is refused where it cannot be read: %s %j', (record, members) => {
    expect(() => read(record, members)).toThrow(expect.objectContaining({ code: 'audit/wrong-admission' }));
  });
});
