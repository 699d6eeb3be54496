import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { EventStream } from './event-stream.ts';

it('cuts off a follower who takes nothing, and says so to who writes', { timeout: 20_000 }, async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const deaf = connect((server.address() as AddressInfo).port, '127.0.0.1');
  deaf.on('error', () => undefined);
  deaf.pause();
  deaf.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse];
  const stream = new EventStream(response, 100);

  const data = 'x'.repeat(100_000);
  let sent = 0;
  while (!stream.signal.aborted) await stream.send({ id: BigInt(sent++), type: 'entry', data });
  expect(sent).toBeGreaterThan(1);
  expect(response.destroyed).toBe(true);
  await stream.beat(undefined); // to nobody
  deaf.destroy();
  server.close();
});
