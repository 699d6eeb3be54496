import { Agent, request } from 'node:http';
import { quantile } from './service.mjs';

/**
 * Sends `draw()` after `draw()` over so many kept-alive connections, each waiting for its answer (a closed loop), until
 * there is nothing left or the time is over. Latencies in milliseconds.
 */
export async function load({ connections, seconds = Infinity, draw, expect }) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const latencies = [];
  const begin = performance.now();
  const end = begin + seconds * 1000;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      for (let next = draw(); next !== undefined && performance.now() < end; next = draw()) {
        const sent = performance.now();
        const status = await send(next, agent);
        if (status !== expect) throw new Error(`Expected ${expect}, got ${status}.`);
        latencies.push(performance.now() - sent);
      }
    }),
  );
  const elapsed = (performance.now() - begin) / 1000;
  agent.destroy();
  latencies.sort((a, b) => a - b);
  return {
    count: latencies.length,
    perSecond: latencies.length / elapsed,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  };
}

function send({ url, method = 'GET', headers = {}, body }, agent) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent }, (response) => {
      response.on('data', () => undefined);
      response.on('end', () => resolve(response.statusCode));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export function describe({ count, perSecond, p50, p99 }) {
  return `${Math.round(perSecond)}/s, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms (${count})`;
}
