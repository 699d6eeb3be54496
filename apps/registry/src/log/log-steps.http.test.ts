import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { parseStatement } from '@margo-trust/statement';
import type { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { signSomeArtifact } from '../../../../test/artifact.ts';
import {
  bundlePath,
  checkCheckpoint,
  checkReceipt,
  leafHash,
  readBundle,
  readKeys,
  Tree,
} from '../../../../test/independent.mjs';
import { admitVendor, issueTo, makeCsr } from '../../../../test/pki.ts';
import { connectTo, databaseOf } from '../../../../test/database.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { Db } from '../db/db.ts';
import { appendEntries } from './append-entries.ts';
import { LogIdentity } from './log-identity.ts';
import { LOG_STEPS, LogSteps, type LogStep } from './log-steps.ts';
import { LogReader } from './log.reader.ts';
import { LogStore, type NewEntry } from './log.store.ts';
import { HighWaterFile } from './rollback/high-water-file.ts';
import { UpdateIndexMap } from './search/update-index-map.ts';
import { CollectCosignatures } from './witnessing/collect-cosignatures.ts';

/** `FAULTS=all` for each pair of steps in all four ways, not in one of them. */
const IS_LONG = process.env['FAULTS'] === 'all';
const KINDS = ['throws', 'loses its connections'] as const;
const TILE = 256;
/** A round is over when everything that should fail has failed and everything is acknowledged: long before so many attempts. */
const ATTEMPTS = 12;

interface Failure {
  readonly step: LogStep;
  readonly kind: (typeof KINDS)[number];
}

interface Acknowledged {
  readonly entry: Uint8Array;
  readonly entryId: string;
  readonly receipt: Uint8Array;
}

describe('a log in which something fails between two steps', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'margo-steps-'));
  let registry: TestRegistry;
  let draw: () => Uint8Array;
  let database: Client;
  let judge: Judge;
  /** What is still to fail, in this order. */
  let planned: Failure[] = [];

  beforeAll(async () => {
    const policy = join(scratch, 'policy');
    // A witness that nobody reaches; what is signed is published all the same.
    const vkey = 'w.example+00df7ba9+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
    writeFileSync(policy, `witness a ${vkey} http://127.0.0.1:9\nquorum a\n`);
    registry = await startTestRegistry({ env: { WITNESS_POLICY: policy, WITNESS_MODE: 'open' } });
    const id = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const { chain } = await issueTo(registry, id, pem);
    draw = () => signSomeArtifact(`https://${id}.vendors.registry.localhost/`, key, chain);
    const { database: name } = registry.source.options as { database: string };
    database = await connectTo(databaseOf(inject('postgres').cluster, 'postgres'));
    const cut = () =>
      database.query('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1', [name]);
    registry.app.get(LogSteps).watch(async (step) => {
      if (planned[0]?.step !== step) return;
      const [{ kind }] = planned.splice(0, 1) as [Failure];
      if (kind === 'throws') throw new Error(`failed at "${step}"`);
      await cut();
    });
    judge = await Judge.of(registry);
  });
  afterAll(async () => {
    planned = [];
    await database?.end();
    await registry?.close();
    rmSync(scratch, { recursive: true, force: true });
  });

  const register = async (statement: Uint8Array) => {
    const headers = { 'content-type': 'application/cose' };
    const response = await fetch(`${registry.url}/entries`, { method: 'POST', headers, body: Buffer.from(statement) });
    return { status: response.status, receipt: new Uint8Array(await response.arrayBuffer()) };
  };

  /** What a process does after a new head, whatever becomes of the rest of it. The index map takes longer than all else. */
  async function doDuties(withMap: boolean): Promise<void> {
    const { app } = registry;
    const mayFail = (work: Promise<void>) => work.catch(() => undefined);
    await mayFail(app.get(CollectCosignatures).run());
    await app.get(HighWaterFile).onApplicationShutdown();
    if (withMap) await mayFail(app.get(UpdateIndexMap).run());
  }

  /** Two statements, one of them sent twice at once, until all of them are acknowledged and all has failed that should. */
  async function survive(failures: readonly Failure[]): Promise<void> {
    planned = [...failures];
    const withMap = failures.some(({ step }) => step.startsWith('map'));
    const isCutOnly = failures.every(({ kind }) => kind !== 'throws');
    const acknowledged: Acknowledged[] = [];
    const sent = new Set([draw()]);
    for (let attempt = 0; sent.size > 0 || planned.length > 0; attempt += 1) {
      if (attempt === ATTEMPTS) throw new Error(`${describeAll(planned)} was never reached.`);
      if (planned[0]?.step === 'tile inserted') await fillTile(registry);
      sent.add(draw()); // so that every attempt has something to seal
      const [first] = sent;
      const answers = [...sent, first!].map(async (statement) => {
        const { status, receipt } = await register(statement);
        expect(isCutOnly ? [201, 503] : [201, 500, 503]).toContain(status);
        if (status !== 201) return;
        sent.delete(statement);
        const { entry, entryId } = parseStatement(statement);
        acknowledged.push({ entry, entryId, receipt });
      });
      await Promise.all(answers);
      await doDuties(withMap);
    }
    await doDuties(withMap);
    await judge.hear(acknowledged);
  }

  it.each(LOG_STEPS)('loses nothing that it acknowledged, and goes on, after "%s"', async (step) => {
    for (const kind of KINDS) await survive([{ step, kind }]);
  });

  it.each(LOG_STEPS)('nor when it fails again, after "%s" and any other step', { timeout: 600_000 }, async (step) => {
    for (const [position, second] of LOG_STEPS.entries()) {
      const pairs = KINDS.flatMap((kind) => KINDS.map((other) => [kind, other] as const));
      const offset = LOG_STEPS.indexOf(step) + position; // each step fails in both ways, first and second
      for (const [kind, other] of IS_LONG ? pairs : [pairs[offset % pairs.length]!]) {
        const failures = [
          { step, kind },
          { step: second, kind: other },
        ];
        await survive(failures).catch((error: unknown) => {
          throw new Error(`${describeAll(failures)}: ${String(error)}`, { cause: error });
        });
      }
    }
  });

  it('has put every root of the index map on record', async () => {
    const [state] = await registry.app
      .get(Db)
      .query<{ size: string; record_index: string | null }>('SELECT size, record_index FROM index_map_state');
    expect(Number(state?.record_index)).toBeGreaterThanOrEqual(Number(state?.size));
  });
});

/** What an outsider who shares no code with the registry makes of what he was told; throws at the first contradiction. */
class Judge {
  private readonly tree = new Tree();
  private readonly indexes = new Map<string, number>();

  static async of(registry: TestRegistry): Promise<Judge> {
    const keys = readKeys(await load(`${registry.url}/.well-known/scitt-keys`));
    const { checkpointKey } = JSON.parse(String(await load(`${registry.url}/log/log.json`))) as {
      checkpointKey: string;
    };
    return new Judge(registry, keys, checkpointKey);
  }

  private constructor(
    private readonly registry: TestRegistry,
    private readonly keys: ReturnType<typeof readKeys>,
    private readonly checkpointKey: string,
  ) {}

  /** Holds what was acknowledged, and asked for again, against the published log, which has only grown. */
  async hear(acknowledged: readonly Acknowledged[]): Promise<void> {
    const { url, config } = this.registry;
    const checkpoint = checkCheckpoint(await load(`${url}/log/checkpoint`), this.checkpointKey);
    expect(checkpoint.size).toBeGreaterThanOrEqual(this.tree.size);
    await this.grow(checkpoint.size);
    expect(this.tree.root(checkpoint.size)).toEqual(checkpoint.root);
    for (const { entry, entryId, receipt } of acknowledged) {
      const place = checkReceipt(receipt, entry, this.keys);
      expect(this.indexes.get(Buffer.from(entry).toString('hex'))).toBe(place.index);
      expect(this.tree.root(place.size)).toEqual(place.root);
      expect(checkReceipt(await load(`${url}/entries/${entryId}`), entry, this.keys)).toEqual(place);
    }
    const remembered = JSON.parse(readFileSync(join(config.dataDirectory, 'high-water.json'), 'utf8')) as object;
    for (const { size, root } of Object.values(remembered) as { size: string; root: string }[]) {
      expect(this.tree.root(Number(size)).toString('base64')).toBe(root);
    }
  }

  private async grow(size: number): Promise<void> {
    for (let first = this.tree.size - (this.tree.size % TILE); first < size; first += TILE) {
      const entries = readBundle(await load(`${this.registry.url}${bundlePath(first, size)}`));
      expect(entries).toHaveLength(Math.min(TILE, size - first));
      for (const [position, entry] of entries.entries()) {
        const [index, name] = [first + position, entry.toString('hex')];
        if (index < this.tree.size) expect(this.tree.leaf(index)).toEqual(leafHash(entry));
        else {
          expect(this.indexes.has(name), `entry ${index} is in the log twice`).toBe(false);
          this.indexes.set(name, index);
          this.tree.append(leafHash(entry));
        }
      }
    }
  }
}

let fillers = 0;

/** So that the next entry completes a tile. */
async function fillTile({ app }: TestRegistry): Promise<void> {
  const { size } = await app.get(LogReader).loadHead();
  const missing = TILE - 1 - (Number(size) % TILE);
  const entries = Array.from({ length: missing }, (): NewEntry => {
    const body = encodeUtf8(`filler ${fillers++}`);
    const subject = 'filler';
    return {
      ...{ entry: sha256(body), body, chain: [], contentType: 'text/plain' },
      ...{ issuer: 'https://registry.example', subject, mentions: [] },
    };
  });
  if (missing === 0) return;
  const { logId } = app.get(LogIdentity);
  await app.get(Db).transaction((tx) => appendEntries(tx, app.get(LogStore), logId, entries, new Date()));
}

/** Asks again while connections that were cut are missed. */
async function load(url: string): Promise<Buffer> {
  let response = await fetch(url);
  for (let again = 0; response.status === 503 && again < 5; again += 1) response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answers ${response.status}.`);
  return Buffer.from(await response.arrayBuffer());
}

function describeAll(failures: readonly Failure[]): string {
  return failures.map(({ step, kind }) => `${kind} at "${step}"`).join(', then ');
}
