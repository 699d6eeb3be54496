import { generateKeyPairSync } from 'node:crypto';
import { developmentLogin, encodeCertificateRequest, openPrivateKey } from '@margo-trust/client';
import { cpuPerRequest, readCpu } from './cpu.mjs';
import { describe, load, writeBodies } from './load.mjs';
import { withService } from './service.mjs';
import { prepareStepCa, withStepCa } from './step-ca.mjs';

const CONNECTIONS = 32;
const WARM_UP = 200;
const ALONE = 50;

/**
 * Signing certificates over the API, closed loop: each request has a P-256 key of its own, proven by its CSR; each certificate is signed by the
 * P-384 issuing CA, carries the log's SCT, and stands in the log twice, announced and issued, before it is answered. The caller is the
 * demonstration's vendor, whose token is checked each time. Beside it Smallstep's CA, where there is Go: the same keys and requests, no log.
 */
export async function measureCertificates({ isLong }) {
  const count = Number(process.env.CERTIFICATES ?? (isLong ? 20_000 : 3_000));
  const csrs = [];
  for (let n = 0; n < count; n += 1) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    csrs.push(await encodeCertificateRequest(openPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))));
  }
  const ours = await measureOurs(csrs);
  const missing = prepareStepCa();
  if (missing !== undefined) return [...ours.results, [missing, '']];
  const theirs = await measureStepCa(csrs);
  return [
    ...ours.results,
    [`step-ca, ${CONNECTIONS} connections, P-256 CSR, P-384 CA, no SCT, no log`, describe(theirs.many)],
    ['  CPU: the process, client', `${theirs.cpu.join(' + ')} µs each`],
    ['  ours is', `${(ours.many.perSecond / theirs.many.perSecond).toFixed(2)} of it`],
  ];
}

function measureOurs(csrs) {
  return withService(async (service) => {
    const { url } = service;
    const { accessToken } = await developmentLogin({ baseUrl: url, account: 'victor' });
    const me = await (await fetch(`${url}/api/v1/me`, { headers: { authorization: `Bearer ${accessToken}` } })).json();
    const { organisation } = me.memberships.find(({ organisation }) => organisation !== 'margo');
    let next = 0;
    const bodies = writeBodies('csr', csrs.length, () => Buffer.from(JSON.stringify({ csr: csrs[next++] })));
    const order = {
      ...{ url: `${url}/api/v1/vendors/${organisation}/certificates`, method: 'POST', contentType: 'application/json' },
      ...{ headers: { authorization: `Bearer ${accessToken}` }, bodies: bodies.path, expect: 201 },
    };
    try {
      await load({ ...order, connections: CONNECTIONS, limit: WARM_UP });
      const alone = await load({ ...order, connections: 1, skip: WARM_UP, limit: ALONE });
      const before = readCpu(service);
      const many = await load({ ...order, connections: CONNECTIONS, skip: WARM_UP + ALONE });
      const cpu = cpuPerRequest(before, readCpu(service), many);
      const results = [
        ['one connection', `p50 ${alone.p50.toFixed(1)} ms, p99 ${alone.p99.toFixed(1)} ms`],
        [`${CONNECTIONS} connections, P-256 CSR, P-384 CA, SCT, two log entries`, describe(many)],
        ['  CPU: main thread, other threads, PostgreSQL, client', describeCpu(cpu)],
      ];
      return { many, results };
    } finally {
      bodies.remove();
    }
  });
}

/** Each request has a token of its own, as step-ca wants it. */
async function measureStepCa(csrs) {
  return withStepCa(async ({ url, root, pid, makeToken }) => {
    const requests = [];
    for (const csr of csrs) requests.push(Buffer.from(JSON.stringify({ csr, ott: await makeToken('bench.example') })));
    let next = 0;
    const bodies = writeBodies('step-ca', requests.length, () => requests[next++]);
    const order = {
      ...{ url, method: 'POST', contentType: 'application/json', ca: root, bodies: bodies.path, expect: 201 },
      connections: CONNECTIONS,
    };
    try {
      await load({ ...order, limit: WARM_UP });
      const before = readCpu({ pid });
      const many = await load({ ...order, skip: WARM_UP });
      const { main, others, client } = cpuPerRequest(before, readCpu({ pid }), many);
      return { many, cpu: [main + others, client].map((microseconds) => Math.round(microseconds)) };
    } finally {
      bodies.remove();
    }
  });
}

function describeCpu({ main, others, postgres, client, all }) {
  const parts = [main, others, postgres, client].map((microseconds) => Math.round(microseconds));
  return `${parts.join(' + ')} = ${Math.round(all)} µs each`;
}
