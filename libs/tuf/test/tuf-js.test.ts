import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Updater } from 'tuf-js';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { lintRepository } from '@margo-trust/tuf';
import { makeSigner, Simulator, text } from './simulator.ts';

describe('tuf-js', () => {
  let repository: Simulator;
  let server: Server;
  let baseUrl: string;
  let directory: string;

  beforeAll(async () => {
    server = createServer((request, response) => {
      const bytes = repository.files.get((request.url ?? '').slice(1));
      if (!bytes) response.writeHead(404).end();
      else response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterAll(() => new Promise((resolve) => server.close(resolve)));

  beforeEach(async () => {
    repository = new Simulator();
    directory = await mkdtemp(join(tmpdir(), 'tuf-js-'));
    await writeFile(join(directory, 'root.json'), repository.initialRoot);
    return () => rm(directory, { recursive: true });
  });

  /** What tuf-js makes of the repository, starting from what it kept. */
  async function download(name: string): Promise<Uint8Array> {
    const updater = new Updater({
      metadataDir: directory,
      metadataBaseUrl: baseUrl,
      targetDir: directory,
      targetBaseUrl: `${baseUrl}/targets`,
      config: { fetchRetries: 0 },
    });
    const target = await updater.getTargetInfo(name);
    if (!target) throw new Error(`tuf-js knows no ${name}`);
    return new Uint8Array(await readFile(await updater.downloadTarget(target)));
  }

  it('updates from a repository that the writer filled', async () => {
    expect(await download('margo.trust-root.v1.json')).toEqual(text('{"anchors":[]}'));
    expect(await download('live.revocations.v1.json')).toEqual(text('{"revoked":[]}'));
  });

  it('follows new keys for every role, of both kinds, and new content', async () => {
    await download('margo.trust-root.v1.json');
    repository.rotate('root', [makeSigner('Ed25519'), makeSigner('P-256'), makeSigner('P-256')]);
    for (const role of ['timestamp', 'snapshot', 'targets'] as const) repository.rotate(role, [makeSigner('P-256')], 1);
    repository.roles.live.signers = [makeSigner('P-256')];
    repository.roles.targets.version++;
    repository.targets.set('live.checkpoint', text('log.registry.localhost\n7\n'));
    repository.publishNext();
    expect(lintRepository(repository.files)).toEqual([]);
    expect(await download('live.checkpoint')).toEqual(text('log.registry.localhost\n7\n'));
  });

  it('refuses a repository that went back', async () => {
    const old = new Map(repository.files);
    repository.publishNext();
    await download('live.revocations.v1.json');
    for (const [path, bytes] of old) repository.files.set(path, bytes);
    await expect(download('live.revocations.v1.json')).rejects.toThrow(/version/i);
  });
});
