import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { developmentLogin, encodeCertificateRequest, makePrivateKey, openPrivateKey } from '@margo-trust/client';
import { parseCertificate, parseCrl, parsePem } from '@margo-trust/x509';
import { statementMaker } from '../demo-vendor.mjs';
import { describe, load, writeBodies } from './load.mjs';
import { quantile } from './quantile.mjs';
import { freePort, withService } from './service.mjs';

const REVOKED = 30;
const LATEST_MS = 120_000;
const PACE = Number(process.env.REGISTRATIONS ?? 1_000);
const SECONDS = { short: 30, long: 120 };
const PLANTED = { issued: Number(process.env.ISSUED ?? 1_000_000), revoked: 10_000 };
const program = (name) => join(import.meta.dirname, name);

/**
 * From a revocation to what a polling client sees of it, one after the other: in the CRL shard that the certificate names, in the
 * feed, and by a new TUF timestamp in the trust root. First with nothing else asked of the service, then while so many registrations a second are due
 * (`REGISTRATIONS`), then with a million certificates in the database (`ISSUED`), 10,000 of them revoked.
 */
export async function measureRevocation({ isLong }) {
  const dataDir = mkdtempSync(join(tmpdir(), 'margo-bench-'));
  // The same port each time: certificates name it.
  const env = { PORT: String(await freePort()) };
  try {
    const results = await withService(
      async ({ url }) => {
        const vendor = await Vendor.of(url);
        const idle = await vendor.revoke(await vendor.obtain(REVOKED));
        return [
          ...describeDelays('revoked → seen', idle),
          ['a CRL shard with its first entry', `${idle.sizes[0]} bytes`],
          ...(await measureUnderLoad(url, vendor, dataDir, isLong ? SECONDS.long : SECONDS.short)),
        ];
      },
      { dataDir, env },
    );
    const { issued, revoked } = PLANTED;
    if (issued === 0) return results;
    await promisify(execFile)(process.execPath, [program('plant-certificates.mjs'), dataDir, issued, revoked]);
    // So that the log holds what was planted.
    await promisify(execFile)(process.execPath, [program('prefill.mjs'), dataDir, '--more', '128', '--batch', '64']);
    results.push(...(await withService((service) => measureMillion(service), { dataDir, env })));
    return results;
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function measureUnderLoad(url, vendor, dataDir, seconds) {
  const spare = await vendor.obtain(seconds);
  const make = statementMaker(join(dataDir, 'demo/vendor'), { leafOnly: true });
  const bodies = writeBodies('pressure', PACE * seconds, () => make().body);
  try {
    const order = { url: `${url}/entries`, method: 'POST', contentType: 'application/cose', expect: 201 };
    let isOver = false;
    const pressure = load({ ...order, bodies: bodies.path, connections: 256, seconds, pace: PACE }).finally(
      () => (isOver = true),
    );
    const delays = await vendor.revoke(spare, () => isOver);
    return [
      ...describeDelays(`while ${PACE} registrations a second are due`, delays),
      ['  the registrations meanwhile', describe(await pressure)],
    ];
  } finally {
    bodies.remove();
  }
}

/** From the start, which finds 10,000 revocations unpublished, and then for a few more. */
async function measureMillion({ url }) {
  const begin = performance.now();
  const published = await seen(
    begin,
    async () => (await shardSizes(url)).entries >= PLANTED.revoked && filterSize(url),
  );
  const sizes = await shardSizes(url);
  const vendor = await Vendor.of(url);
  const more = await vendor.obtain(10);
  const beat = startBeat(url);
  const delays = await vendor.revoke(more);
  const longest = await beat.stop();
  const name = `${PLANTED.issued.toLocaleString('en')} certificates, ${PLANTED.revoked.toLocaleString('en')} revoked`;
  return [
    [`${name}: all published, from the start on`, `${(published / 1000).toFixed(1)} s`],
    ['  128 CRL shards', `${sizes.least} to ${sizes.most} bytes, ${sizes.all} together`],
    ['  the filter', `${await filterSize(url)} bytes`],
    ...describeDelays('  one more revoked → seen', delays),
    ['  longest answer of the same process meanwhile', `${Math.round(longest)} ms`],
  ];
}

/** What a vendor does with its certificates. */
class Vendor {
  static async of(url) {
    const { accessToken } = await developmentLogin({ baseUrl: url, account: 'victor' });
    const vendor = new Vendor(url, accessToken);
    const { memberships } = await vendor.ask('GET', 'me');
    vendor.id = memberships.find(({ organisation }) => organisation !== 'margo').organisation;
    return vendor;
  }

  constructor(url, token) {
    this.url = url;
    this.token = token;
  }

  async ask(method, path, body) {
    const headers = { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' };
    const response = await fetch(`${this.url}/api/v1/${path}`, {
      method,
      headers,
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path} answers ${response.status}: ${await response.text()}`);
    return response.json();
  }

  async obtain(count) {
    const certificates = [];
    for (let n = 0; n < count; n += 1) {
      const csr = await encodeCertificateRequest(openPrivateKey(makePrivateKey('P-256')));
      certificates.push(await this.ask('POST', `vendors/${this.id}/certificates`, { csr }));
    }
    return certificates;
  }

  /** One after the other, until all are or `isOver`; how long each took to be seen, in milliseconds. */
  async revoke(certificates, isOver = () => false) {
    const delays = { crl: [], feed: [], tuf: [] };
    const sizes = [];
    for (const { serial, certificate } of certificates) {
      if (isOver()) break;
      const [crlUrl] = parseCertificate(parsePem('CERTIFICATE', certificate)[0]).crlUrls;
      let known = await text(`${this.url}/tuf/timestamp.json`);
      await this.ask('POST', 'revocations', { target: { serials: [serial] }, reason: 'keyCompromise' });
      const begin = performance.now();
      const [crl, feed, tuf] = await Promise.all([
        seen(begin, async () => {
          const body = await bytes(crlUrl);
          if (parseCrl(body).entries.has(serial)) return sizes.push(body.length);
        }),
        seen(begin, async () => (await text(`${this.url}/revocations/feed.json`)).includes(serial)),
        seen(begin, async () => {
          const timestamp = await text(`${this.url}/tuf/timestamp.json`);
          if (timestamp === known) return false;
          known = timestamp;
          return (await revokedFiles(this.url)).some((file) => file.includes(serial));
        }),
      ]);
      delays.crl.push(crl);
      delays.feed.push(feed);
      delays.tuf.push(tuf);
    }
    const all = delays.crl.map((crl, n) => Math.max(crl, delays.feed[n], delays.tuf[n]));
    return { delays: { ...delays, 'all three': all }, sizes };
  }
}

function describeDelays(name, { delays }) {
  return Object.entries(delays).map(([what, found]) => {
    found.sort((a, b) => a - b);
    const at = (share) => `${(quantile(found, share) / 1000).toFixed(1)} s`;
    return [`${name}: ${what}, of ${found.length}`, `p50 ${at(0.5)}, p99 ${at(0.99)}`];
  });
}

async function shardSizes(url) {
  const sizes = [];
  let entries = 0;
  for (let shard = 0; shard < 128; shard += 1) {
    const body = await bytes(`${url}/crl/issuing-1/${shard}.crl`);
    sizes.push(body.length);
    entries += parseCrl(body).entries.size;
  }
  const all = sizes.reduce((sum, size) => sum + size, 0);
  return { entries, least: Math.min(...sizes), most: Math.max(...sizes), all };
}

/** Of the published filter, once it is more than that of a few certificates; 0 before. */
async function filterSize(url) {
  const { length } = (await liveTargets(url))['live.revoked.filter'];
  return length > PLANTED.revoked / 2 ? length : 0;
}

/** Since when and why certificates are revoked, as the trust root has it. */
async function revokedFiles(url) {
  const targets = await liveTargets(url);
  const names = Object.keys(targets).filter((name) => /^live\.revoked\.\w+\.json$/.test(name));
  return Promise.all(names.map((name) => text(`${url}/tuf/targets/${targets[name].hashes.sha256}.${name}`)));
}

async function liveTargets(url) {
  const load = async (path) => JSON.parse(await text(`${url}/tuf/${path}`)).signed;
  const { meta } = await load('timestamp.json');
  const snapshot = await load(`${meta['snapshot.json'].version}.snapshot.json`);
  return (await load(`${snapshot.meta['live.json'].version}.live.json`)).targets;
}

/** Asks the process for something small, every 20 ms; `stop` gives the longest answer in milliseconds. */
function startBeat(url) {
  let [isOver, longest] = [false, 0];
  const beating = (async () => {
    while (!isOver) {
      const begin = performance.now();
      await bytes(`${url}/log/log.json`);
      longest = Math.max(longest, performance.now() - begin);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  const stop = async () => {
    isOver = true;
    await beating;
    return longest;
  };
  return { stop };
}

async function seen(begin, isThere) {
  while (performance.now() - begin < LATEST_MS) {
    if (await isThere()) return performance.now() - begin;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('A revocation was not seen in two minutes.');
}

async function bytes(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`GET ${address} answers ${response.status}.`);
  return new Uint8Array(await response.arrayBuffer());
}

const text = async (address) => new TextDecoder().decode(await bytes(address));
