import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { holdRequests } from './hold-requests.ts';

let server: Server;
afterEach(() => server.close());

it('answers what came before there was anybody to answer, body and all', async () => {
  server = createServer();
  const handOver = holdRequests(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const arrived = once(server, 'request');
  const early = fetch(url, { method: 'POST', body: 'early' });
  await arrived;

  handOver((request, response) => void request.pipe(response));
  expect(await (await early).text()).toBe('early');
  expect(await (await fetch(url, { method: 'POST', body: 'late' })).text()).toBe('late');
});
