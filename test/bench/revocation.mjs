import { developmentLogin, encodeCertificateRequest, makePrivateKey, openPrivateKey } from '@margo-trust/client';
import { parseCertificate, parseCrl, parsePem } from '@margo-trust/x509';
import { quantile } from './quantile.mjs';
import { withService } from './service.mjs';

const REVOKED = 30;
const LATEST_MS = 60_000;

/**
 * From a revocation to what a polling client sees of it, one after the other: in the CRL shard that the certificate names, in the
 * feed, and by a new TUF timestamp. Nothing else is asked of the service meanwhile.
 */
export function measureRevocation() {
  return withService(async ({ url }) => {
    const { accessToken } = await developmentLogin({ baseUrl: url, account: 'victor' });
    const ask = async (method, path, body) => {
      const headers = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' };
      const response = await fetch(`${url}/api/v1/${path}`, {
        method,
        headers,
        ...(body && { body: JSON.stringify(body) }),
      });
      if (!response.ok) throw new Error(`${method} ${path} answers ${response.status}: ${await response.text()}`);
      return response.json();
    };
    const { memberships } = await ask('GET', 'me');
    const vendor = memberships.find(({ organisation }) => organisation !== 'margo').organisation;

    const certificates = [];
    for (let n = 0; n < REVOKED; n += 1) {
      const csr = await encodeCertificateRequest(openPrivateKey(makePrivateKey('P-256')));
      certificates.push(await ask('POST', `vendors/${vendor}/certificates`, { csr }));
    }
    const delays = { crl: [], feed: [], tuf: [] };
    const sizes = [];
    for (const { serial, certificate } of certificates) {
      const [crlUrl] = parseCertificate(parsePem('CERTIFICATE', certificate)[0]).crlUrls;
      const before = await text(`${url}/tuf/timestamp.json`);
      await ask('POST', 'revocations', { target: { serials: [serial] }, reason: 'keyCompromise' });
      const begin = performance.now();
      const [crl, feed, tuf] = await Promise.all([
        seen(begin, async () => {
          const body = await bytes(crlUrl);
          if (parseCrl(body).entries.has(serial)) return sizes.push(body.length);
        }),
        seen(begin, async () => (await text(`${url}/revocations/feed.json`)).includes(serial)),
        seen(begin, async () => (await text(`${url}/tuf/timestamp.json`)) !== before),
      ]);
      delays.crl.push(crl);
      delays.feed.push(feed);
      delays.tuf.push(tuf);
    }
    const all = delays.crl.map((crl, n) => Math.max(crl, delays.feed[n], delays.tuf[n]));
    return [
      ...Object.entries({ ...delays, 'all three': all }).map(([what, found]) => {
        found.sort((a, b) => a - b);
        const at = (share) => `${(quantile(found, share) / 1000).toFixed(1)} s`;
        return [`revoked → seen: ${what}, of ${found.length}`, `p50 ${at(0.5)}, p99 ${at(0.99)}`];
      }),
      ['a CRL shard with its first entry', `${sizes[0]} bytes`],
    ];
  });
}

async function seen(begin, isThere) {
  while (performance.now() - begin < LATEST_MS) {
    if (await isThere()) return performance.now() - begin;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('A revocation was not seen in a minute.');
}

async function bytes(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`GET ${address} answers ${response.status}.`);
  return new Uint8Array(await response.arrayBuffer());
}

const text = async (address) => new TextDecoder().decode(await bytes(address));
