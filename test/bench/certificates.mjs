import { generateKeyPairSync } from 'node:crypto';
import { developmentLogin, encodeCertificateRequest, openPrivateKey } from '@margo-trust/client';
import { cpuPerRequest, readCpu } from './cpu.mjs';
import { describe, load, writeBodies } from './load.mjs';
import { withService } from './service.mjs';

const CONNECTIONS = 32;

/**
 * Signing certificates over the API, closed loop: each request has a P-256 key of its own, proven by its CSR; each certificate is signed by the
 * P-384 issuing CA, carries the log's SCT, and stands in the log twice, announced and issued, before it is answered. The caller is the
 * demonstration's vendor, whose token is checked each time.
 */
export function measureCertificates({ isLong }) {
  const count = Number(process.env.CERTIFICATES ?? (isLong ? 20_000 : 3_000));
  return withService(async (service) => {
    const { url } = service;
    const { accessToken } = await developmentLogin({ baseUrl: url, account: 'victor' });
    const me = await (await fetch(`${url}/api/v1/me`, { headers: { authorization: `Bearer ${accessToken}` } })).json();
    const { organisation } = me.memberships.find(({ organisation }) => organisation !== 'margo');
    const csrs = [];
    for (let n = 0; n < count; n += 1) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
      csrs.push(Buffer.from(JSON.stringify({ csr: await encodeCertificateRequest(openPrivateKey(pem)) })));
    }
    let next = 0;
    const bodies = writeBodies('csr', count, () => csrs[next++]);
    const order = {
      ...{ url: `${url}/api/v1/vendors/${organisation}/certificates`, method: 'POST', contentType: 'application/json' },
      ...{ headers: { authorization: `Bearer ${accessToken}` }, bodies: bodies.path, expect: 201 },
    };
    try {
      await load({ ...order, connections: CONNECTIONS, limit: 200 });
      const alone = await load({ ...order, connections: 1, skip: 200, limit: 50 });
      if (process.env.PROF) process.kill(service.pid, 'SIGUSR2');
      const before = readCpu(service);
      const many = await load({ ...order, connections: CONNECTIONS, skip: 250 });
      const cpu = cpuPerRequest(before, readCpu(service), many);
      if (process.env.PROF) process.kill(service.pid, 'SIGUSR2');
      if (process.env.PROF) await new Promise((resolve) => setTimeout(resolve, 3000));
      return [
        ['one connection', `p50 ${alone.p50.toFixed(1)} ms, p99 ${alone.p99.toFixed(1)} ms`],
        [`${CONNECTIONS} connections, P-256 CSR, P-384 CA, SCT, two log entries`, describe(many)],
        ['  CPU: main thread, other threads, PostgreSQL, client', describeCpu(cpu)],
      ];
    } finally {
      bodies.remove();
    }
  });
}

function describeCpu({ main, others, postgres, client, all }) {
  const parts = [main, others, postgres, client].map((microseconds) => Math.round(microseconds));
  return `${parts.join(' + ')} = ${Math.round(all)} µs each`;
}
