import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import { parseBase64 } from '@margo-trust/bytes';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import { parseNote, parseVerifierKey, verifyNote } from '@margo-trust/tlog';
import type { LogProposal } from '@margo-trust/wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logCommands, TestCli } from '../../../../../test/cli.ts';
import { admitVendor } from '../../../../../test/pki.ts';
import { startReplica as startAnother, startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';
import { runGenesis } from '../../genesis.ts';
import { writeMlDsaKey } from '../../keys/development-keys.ts';
import { ML_DSA_KEY_FILE } from '../../keys/slots.ts';
import { HeadSigner } from '../head-signer.ts';
import { LogReader } from '../log.reader.ts';

interface Description {
  checkpointKey: string;
  checkpointKeys: string[];
  mlDsa44History?: { key: string; fromSize: string; event?: string; transition?: string }[];
}

describe('a log that began without an ML-DSA-44 key', () => {
  const cli = new TestCli();
  const apps: INestApplication[] = [];
  let registry: TestRegistry;
  beforeAll(async () => {
    registry = await startTestRegistry({ prepareKeys: (directory) => rmSync(join(directory, ML_DSA_KEY_FILE)) });
  });
  afterAll(async () => {
    for (const app of apps) await app.close();
    await registry?.close();
    rmSync(cli.home, { recursive: true, force: true });
  });

  const keyPath = (file = ML_DSA_KEY_FILE) => join(registry.config.keysDirectory, file);
  const description = async () => (await (await fetch(`${registry.url}/log/log.json`)).json()) as Description;
  const signNow = async (app = registry.app) =>
    parseNote(await app.get(HeadSigner).signWhole(await app.get(LogReader).loadHead()));

  /** Another process on the same database; what it warns of. */
  async function startReplica(): Promise<{ app: INestApplication; warnings: string[] }> {
    const warnings: string[] = [];
    const app = await startAnother(registry, {}, (line) => void warnings.push(line));
    apps.push(app);
    await runGenesis(app);
    return { app, warnings };
  }

  const { must } = logCommands(cli, () => registry.url);

  it('does not sign with one that merely lies there, and the start says so', async () => {
    const { checkpointKey, checkpointKeys, mlDsa44History } = await description();
    expect([checkpointKeys, mlDsa44History]).toEqual([[checkpointKey], undefined]);
    expect((await startReplica()).warnings.join()).not.toContain('does not name');
    writeMlDsaKey(keyPath());
    const { app, warnings } = await startReplica();
    expect(warnings.join()).toContain('holds log-checkpoint-ml-dsa-44.pem, which the log does not name');
    expect((await signNow(app)).signatures).toHaveLength(1);
  });

  it('gets one by a record, and every larger tree is signed with it', async () => {
    renameSync(keyPath(), keyPath('log-checkpoint-ml-dsa-44.next.pem'));
    const { proposal } = await must<{ proposal: LogProposal }>(
      ['rotate-key', 'checkpoint-ml-dsa-44', '--reason', 'Begin.'],
      'alice',
    );
    expect(proposal.change.replaces).toBeUndefined();
    const shown = await cli.run(['--registry', registry.url, '--as', 'bob', 'log', 'proposals']);
    await must(['approve', proposal.id, '--note', 'Compared.'], 'bob');
    renameSync(keyPath('log-checkpoint-ml-dsa-44.next.pem'), keyPath());

    await expect.poll(async () => (await description()).mlDsa44History?.[0]?.transition).toBeDefined();
    const { checkpointKey, checkpointKeys, mlDsa44History = [] } = await description();
    const [only] = mlDsa44History;
    expect(mlDsa44History).toHaveLength(1);
    expect(checkpointKeys).toEqual([checkpointKey, only!.key]);
    expect(shown.stdout, 'for witnesses').toContain(only!.key);
    expect(BigInt(only!.fromSize)).toBe(BigInt(only!.event!) + 2n);
    const keys = checkpointKeys.map(parseVerifierKey);
    expect(verifyNote(parseNote(parseBase64(only!.transition!)), keys, verifyMlDsa44)).toEqual(keys);
    const listed = await cli.run(['--registry', registry.url, 'log', 'list']);
    expect(listed.stdout).toMatch(/^checkpoint-ml-dsa-44 .*…/m);
    expect(Math.max(...listed.stdout.split('\n').map((line) => line.length))).toBeLessThan(300);

    const { app, warnings } = await startReplica();
    expect(warnings.join()).not.toContain('does not name');
    await admitVendor(registry);
    expect(verifyNote(await signNow(app), keys, verifyMlDsa44)).toEqual(keys);
    for (const audit of ['fsck', 'replay']) await must([audit, '--from', registry.url, '--log-key', checkpointKey]);
  });
});
