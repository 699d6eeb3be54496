/** A registry in which logs are opened beside the first one, and what is asked of it. */
import type { KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import { parseReceipt } from '@margo-trust/receipt';
import { parseArtifactSignature, parseStatement } from '@margo-trust/statement';
import { parseCheckpoint, parseNote } from '@margo-trust/tlog';
import { Verifier, type TrustRoot } from '@margo-trust/verifier';
import type { LogInfo, LogProposal } from '@margo-trust/wire';
import { afterAll, beforeAll, expect } from 'vitest';
import { RunningLogs } from '../apps/registry/src/log/running-logs.ts';
import { signSomeArtifact } from './artifact.ts';
import { logCommands, TestCli } from './cli.ts';
import { admitVendor, issueTo, makeCsr } from './pki.ts';
import { startReplica as startAnother, startTestRegistry, type TestRegistry } from './registry.ts';

export const FIRST = 'log.registry.localhost';
export const SECOND = '2027.log.registry.localhost';
export const THIRD = '2028.log.registry.localhost';

interface Description {
  origin: string;
  governance?: string;
  checkpointKey: string;
  receiptKeys: { untilSize?: string }[];
  frozen?: { at: string; size: string };
  retired?: { at: string };
}

/** An admitted vendor with a certificate. */
export interface SigningVendor {
  readonly id: string;
  readonly uri: string;
  readonly key: KeyObject;
  readonly chain: string;
}

/** Begins one for the tests of the suite that calls this, with a vendor and its first statement. Its parts are there from `beforeAll` on. */
export function useLogs() {
  const cli = new TestCli();
  const apps: INestApplication[] = [];
  let registry: TestRegistry;
  /** What a web server would serve. */
  let files: string;
  let vendor: SigningVendor;
  const published: { statement: Uint8Array; receipt: Uint8Array }[] = [];

  beforeAll(async () => {
    files = mkdtempSync(join(tmpdir(), 'several-logs-files-'));
    registry = await startTestRegistry({ env: { TILE_STORE: 'directory', TILE_DIRECTORY: files } });
    const id = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const { chain } = await issueTo(registry, id, pem);
    vendor = { id, key, chain, uri: `https://${id}.vendors.registry.localhost/` };
    await publish();
  });
  afterAll(async () => {
    for (const app of apps) await app.close();
    await registry?.close();
    rmSync(cli.home, { recursive: true, force: true });
    rmSync(files, { recursive: true, force: true });
  });

  const load = async (path: string) => new Uint8Array(await (await fetch(`${registry.url}${path}`)).arrayBuffer());
  const description = async (prefix = '/log') =>
    (await (await fetch(`${registry.url}${prefix}/log.json`)).json()) as Description;
  const sizeOf = async (prefix: string) => parseCheckpoint(parseNote(await load(`${prefix}/checkpoint`)).text).size;
  const draw = () => signSomeArtifact(vendor.uri, vendor.key, vendor.chain);
  const logOf = (origin: string) => registry.app.get(RunningLogs).findByOrigin(origin)!;

  async function post(statement: Uint8Array, path = '/entries'): Promise<{ status: number; body: Uint8Array }> {
    const headers = { 'content-type': 'application/cose' };
    const response = await fetch(`${registry.url}${path}`, { method: 'POST', headers, body: statement });
    return { status: response.status, body: new Uint8Array(await response.arrayBuffer()) };
  }

  async function publish(path?: string): Promise<Uint8Array> {
    const statement = draw();
    const { status, body: receipt } = await post(statement, path);
    expect(status, Buffer.from(receipt).toString()).toBe(201);
    published.push({ statement, receipt });
    return receipt;
  }

  const { run, must, refusal } = logCommands(cli, () => registry.url);
  async function pass(args: string[]): Promise<void> {
    const finished = await run(args);
    expect(finished.code, finished.stderr + finished.stdout).toBe(0);
  }
  const propose = async (...args: string[]) =>
    (await must<{ proposal: LogProposal }>([...args, '--reason', 'Test.'], 'alice')).proposal;
  async function decide(...args: string[]): Promise<LogInfo[]> {
    const { id } = await propose(...args);
    return (await must<{ logs: LogInfo[] }>(['approve', id], 'bob')).logs;
  }

  async function verdictOf(statement: Uint8Array, trust: TrustRoot) {
    const bytes = await load(`/entries/${parseStatement(statement).entryId}/transparent-statement`);
    return new Verifier(trust).verifyArtifact(parseArtifactSignature(parseStatement(statement)).target, [bytes]);
  }

  /** Another process on the same database. */
  async function startReplica(keysDirectory = registry.config.keysDirectory): Promise<INestApplication> {
    const store = { TILE_STORE: 'directory', TILE_DIRECTORY: files };
    const app = await startAnother(registry, { KEYS_DIR: keysDirectory, ...store });
    apps.push(app);
    return app;
  }

  return {
    get registry(): TestRegistry {
      return registry;
    },
    get vendor(): SigningVendor {
      return vendor;
    },
    /** What a web server would serve. */
    get files(): string {
      return files;
    },
    ...{ cli, published, load, description, sizeOf, post, draw, publish, logOf },
    ...{ must, refusal, pass, propose, decide, verdictOf, startReplica },
  };
}

export function originOf(receipt: Uint8Array): string | undefined {
  return parseReceipt(receipt).origin;
}
