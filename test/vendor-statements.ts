/** Statements of the demonstration's vendor, as many as a test wants, and the way they go into the log. */
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { statementMaker } from './demo-vendor.mjs';

/** Distinct artifact signatures of the demo vendor, one a call. */
export async function statementsOf(dataDir: string): Promise<() => Uint8Array> {
  const make = statementMaker(join(dataDir, 'demo/vendor'));
  return () => Uint8Array.from(make().body);
}

/**
 * Registers what `draw` gives, `count` times over so many kept-alive connections; every answer must be 201.
 * A client of its own because `fetch` alone would take longer than the service.
 */
export async function registerMany(
  url: string,
  draw: () => Uint8Array,
  count: number,
  connections = 128,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  let left = count;
  const writers = Array.from({ length: connections }, async () => {
    while (left-- > 0) {
      const { status, body } = await post(`${url}/entries`, draw(), agent);
      if (status !== 201) throw new Error(`POST /entries answered ${status}: ${body.toString('latin1')}`);
    }
  });
  await Promise.all(writers).finally(() => agent.destroy());
}

function post(url: string, body: Uint8Array, agent: Agent): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/cose', 'content-length': body.length };
    const sent = request(url, { method: 'POST', headers, agent }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts) }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
