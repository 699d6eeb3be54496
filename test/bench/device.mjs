import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { developmentLogin, encodeCertificateRequest, openPrivateKey, updateTrustRoot } from '@margo-trust/client';
import { parseTrustRoot, vendorTargets } from '@margo-trust/verifier';
import { withService } from './service.mjs';

const VENDORS = Number(process.env.VENDORS ?? 50);
const CERTIFICATES = Number(process.env.CERTIFICATES ?? 1_000);
const REVOKED_PART = 50;

/**
 * What a device downloads: bytes that come back over the wire, heads of the answers included, counted by a proxy in between. The service has
 * VENDORS vendors and CERTIFICATES certificates, one in fifty of them revoked.
 */
export function measureDevice() {
  return withService(async ({ url }) => {
    const vendors = await fill(url);
    const proxy = await startProxy(new URL(url));
    const directories = [];
    const update = async (directory, more) => {
      proxy.bytes = 0;
      const { snapshot, written } = await updateTrustRoot({
        source: `${proxy.url}/tuf`,
        directory,
        now: new Date(),
        ...more,
      });
      return { snapshot, text: `${(proxy.bytes / 1000).toFixed(1)} kB in ${written.length} files` };
    };
    const begin = async (more) => {
      const directory = mkdtempSync(join(tmpdir(), 'margo-device-'));
      directories.push(directory);
      const initialRoot = new Uint8Array(await (await fetch(`${url}/tuf/1.root.json`)).arrayBuffer());
      const { snapshot, text } = await update(directory, { initialRoot, ...more });
      return { directory, snapshot, text };
    };
    try {
      const [one, ...others] = vendors;
      const mirror = await begin({});
      const cold = await begin({ keep: vendorTargets(one) });
      if (parseTrustRoot(cold.snapshot).findVendor(one)?.status !== 'active')
        throw new Error('The vendor is not known.');
      const second = await update(cold.directory, { keep: vendorTargets(others[0]) });
      const quiet = await update(cold.directory);

      const before = cold.snapshot.versions.timestamp;
      const ask = await asking(url, 'victor');
      const { serial } = await order(ask, others[1]);
      await ask('POST', 'revocations', { target: { serials: [serial] }, reason: 'keyCompromise' });
      await published(url, before);
      const news = await update(cold.directory);
      const roles = readdirSync(cold.directory)
        .filter((name) => name.endsWith('.json'))
        .map((name) => [name, statSync(join(cold.directory, name)).size]);
      const sizeOf = (pattern) => Math.max(...roles.filter(([name]) => pattern.test(name)).map(([, size]) => size));
      return [
        [`cold, everything: a mirror, ${vendors.length} vendors, ${CERTIFICATES} certificates`, mirror.text],
        ['cold, one vendor', cold.text],
        ['one vendor more', second.text],
        ['warm, no news', quiet.text],
        ['warm, a certificate of another vendor was issued and revoked', news.text],
        [
          'of that: timestamp, snapshot, live',
          [/^timestamp/, /snapshot/, /\d\.live/].map((role) => `${sizeOf(role)} B`).join(', '),
        ],
      ];
    } finally {
      proxy.close();
      for (const directory of directories) rmSync(directory, { recursive: true, force: true });
    }
  });
}

/** Admits vendors, whose owner is victor, and gives them certificates; returns the ids. */
async function fill(url) {
  const [victor, ...members] = await Promise.all(['victor', 'alice', 'bob'].map((account) => asking(url, account)));
  const vendors = [];
  for (let n = 0; n < VENDORS; n += 1) {
    const { id } = await victor('POST', 'vendors', {
      ...{ legalName: `Device Bench ${n} GmbH`, country: 'DE', state: 'Hessen' },
      ...{ personas: ['workload-supplier'], securityContact: 'psirt@example.com' },
      claims: { applicationIdPrefixes: [`bench${n}-`], ociNamespaces: [`registry.example/bench${n}`] },
    });
    for (const member of members) await member('POST', `vendors/${id}/approvals`, { note: 'Checked.' });
    vendors.push(id);
  }
  const before = JSON.parse(await (await fetch(`${url}/tuf/timestamp.json`)).text()).signed.version;
  const serials = [];
  const queue = Array.from({ length: CERTIFICATES }, (_, n) => vendors[n % vendors.length]).values();
  const work = async () => {
    for (const vendor of queue) serials.push((await order(victor, vendor)).serial);
  };
  await Promise.all(Array.from({ length: 8 }, work));
  for (let n = 0; n < serials.length; n += REVOKED_PART) {
    await victor('POST', 'revocations', { target: { serials: [serials[n]] }, reason: 'superseded' });
  }
  await published(url, before);
  // Publications follow one another while there is news: the last one has all of it.
  await quiet(url);
  return vendors;
}

async function order(ask, vendor) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' });
  return ask('POST', `vendors/${vendor}/certificates`, { csr: await encodeCertificateRequest(openPrivateKey(pem)) });
}

async function asking(url, account) {
  const { accessToken } = await developmentLogin({ baseUrl: url, account });
  return async (method, path, body) => {
    const headers = { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' };
    const response = await fetch(`${url}/api/v1/${path}`, { method, headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${method} ${path} answers ${response.status}: ${await response.text()}`);
    return response.json();
  };
}

async function version(url) {
  return JSON.parse(await (await fetch(`${url}/tuf/timestamp.json`)).text()).signed.version;
}

async function published(url, before) {
  for (let tries = 0; tries < 600; tries += 1) {
    if ((await version(url)) > before) return;
    await pause(100);
  }
  throw new Error('The trust root was not published in a minute.');
}

/** Nothing new for five seconds. */
async function quiet(url) {
  for (let [last, since] = [await version(url), performance.now()]; performance.now() - since < 5_000;) {
    await pause(200);
    const now = await version(url);
    if (now !== last) [last, since] = [now, performance.now()];
  }
}

/** Passes everything on, and counts what comes back. */
async function startProxy({ hostname, port }) {
  const counted = { bytes: 0 };
  const sockets = new Set();
  const server = createServer((device) => {
    const service = connect(Number(port), hostname);
    service.on('data', (chunk) => (counted.bytes += chunk.length));
    device.pipe(service).pipe(device);
    for (const socket of [device, service]) {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(counted, {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
