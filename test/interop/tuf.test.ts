/**
 * Three TUF clients by three teams bootstrap from the demo's initial root, follow a change, and refuse what a mirror spoils.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoOf, revokeDemoCertificate } from './demo.ts';
import { expectAccepted, expectRefused } from './expect.ts';
import { client, run, startService, temporaryDirectory, waitUntil, type Finished, type Service } from './harness.ts';

const TARGETS = ['margo.trust-root.v1.json', 'live.revocations.v1.json', 'notation.ca.margo.1.crt'];
const CLIENTS = ['tuf-js', 'python-tuf', 'go-tuf'] as const;
type Client = (typeof CLIENTS)[number];

let service: Service;
let scratch: string;

beforeAll(async () => {
  scratch = await temporaryDirectory();
  service = await startService();
});

afterAll(async () => {
  await service?.stop();
  await rm(scratch, { recursive: true, force: true });
});

describe('TUF clients', () => {
  it.each(CLIENTS)('%s bootstraps from the initial root and downloads the targets', async (name) => {
    expectAccepted(await update(name));
    expect(Object.keys(await trustedVersions(name))).toEqual(
      expect.arrayContaining(['timestamp', 'snapshot', 'targets', 'live']),
    );
  });

  it('agree on versions and bytes', async () => {
    for (const name of CLIENTS.slice(1)) {
      expect(await trustedVersions(name)).toEqual(await trustedVersions(CLIENTS[0]));
      expect(await targetHashes(name)).toEqual(await targetHashes(CLIENTS[0]));
    }
  });

  it.each(CLIENTS)('%s refuses a target that a mirror changed', async (name) => {
    const refused = await updateFromMirror(name, /^\/tuf\/targets\/.*margo\.trust-root/, (body) => {
      body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 1;
      return body;
    });
    expectRefused(refused, /hash/i);
  });

  it.each(CLIENTS)('%s refuses a timestamp role that a mirror changed', async (name) => {
    const refused = await updateFromMirror(name, /^\/tuf\/timestamp\.json$/, (body) =>
      Buffer.from(
        body.toString().replace(/("version":\s*)(\d+)/, (_, label: string, n: string) => label + (Number(n) + 1)),
      ),
    );
    expectRefused(refused, /sign(ed|atures)/);
  });

  describe('after a revocation', () => {
    const before: Partial<Record<Client, Record<string, number>>> = {};

    beforeAll(async () => {
      for (const name of CLIENTS) before[name] = await trustedVersions(name);
      await revokeDemoCertificate(service);
      await waitUntil('the revocation is published by TUF', async () => {
        expectAccepted(await update('tuf-js', { state: 'watch' }));
        return ((await trustedVersions('watch')).live ?? 0) > (before['tuf-js']?.live ?? 0);
      });
    });

    it.each(CLIENTS)('%s sees the new version and the new list', async (name) => {
      expectAccepted(await update(name));
      const after = await trustedVersions(name);
      for (const role of ['timestamp', 'snapshot', 'live']) {
        expect(after[role], role).toBeGreaterThan(before[name]?.[role] ?? Infinity);
      }
      expect(after.targets).toBe(before[name]?.targets);

      const list = JSON.parse(await readFile(join(scratch, name, 'targets/live.revocations.v1.json'), 'utf8')) as {
        sequence: number;
      };
      expect(list.sequence).toBe(1);
    });
  });
});

async function update(name: Client, { baseUrl = service.address, state = name as string } = {}): Promise<Finished> {
  const args = [demoOf(service).root, `${baseUrl}/tuf`, resolve(scratch, state), ...TARGETS];
  if (name === 'python-tuf') return run(client(name), [join(import.meta.dirname, 'python-tuf/client.py'), ...args]);
  if (name === 'tuf-js') return run(process.execPath, [client(name), ...args]);
  return run(client(name), args);
}

/** Versions by role, from the metadata the client has kept; all three keep them the same way. */
async function trustedVersions(state: string): Promise<Record<string, number>> {
  const directory = join(scratch, state, 'metadata');
  const versions: Record<string, number> = {};
  for (const file of (await readdir(directory)).filter((entry) => entry.endsWith('.json')).sort()) {
    const { signed } = JSON.parse(await readFile(join(directory, file), 'utf8')) as { signed: { version: number } };
    versions[file.slice(0, -'.json'.length)] = signed.version;
  }
  return versions;
}

async function targetHashes(name: Client): Promise<string[]> {
  const hash = async (target: string) =>
    createHash('sha256')
      .update(await readFile(join(scratch, name, 'targets', target)))
      .digest('hex');
  return Promise.all(TARGETS.map(hash));
}

/** Bootstraps from a mirror that serves what the service serves, except for the files it spoils. */
async function updateFromMirror(name: Client, path: RegExp, spoil: (body: Buffer) => Buffer): Promise<Finished> {
  let spoiled = 0;
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const upstream = await fetch(service.address + request.url);
    let body: Buffer = Buffer.from(await upstream.arrayBuffer());
    if (upstream.ok && path.test(request.url ?? '')) {
      spoiled += 1;
      body = spoil(body);
    }
    response.writeHead(upstream.status, { 'content-length': body.length }).end(body);
  };
  const server = createServer((request, response) => void serve(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const finished = await update(name, { baseUrl, state: await mkdtemp(join(scratch, 'mirror-')) });
    expect(spoiled, finished.output).toBeGreaterThan(0);
    return finished;
  } finally {
    server.close();
  }
}
