import { writeFileSync } from 'node:fs';
import type { LogEntryDetail, PolicyProposal, PolicyState, WithholdingState } from '@margo-trust/wire';
import { parseStatement } from '@margo-trust/statement';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signSomeArtifact } from '../../../../../test/artifact.ts';
import { TestCli } from '../../../../../test/cli.ts';
import { admitVendor, issueTo, makeCsr } from '../../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';

describe('margo-trust log, for governance', () => {
  const cli = new TestCli();
  let registry: TestRegistry;
  let entry: string;

  beforeAll(async () => {
    registry = await startTestRegistry();
    const id = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const { chain } = await issueTo(registry, id, pem);
    const body = signSomeArtifact(`https://${id}.vendors.registry.localhost/`, key, chain);
    const headers = { 'content-type': 'application/cose' };
    expect((await fetch(`${registry.url}/entries`, { method: 'POST', headers, body })).status).toBe(201);
    entry = parseStatement(body).entryId;
  });
  afterAll(() => registry?.close());

  const run = (args: string[], account?: string) =>
    cli.run(['--registry', registry.url, '--json', ...(account ? ['--as', account] : []), 'log', ...args]);
  const must = async <T>(args: string[], account?: string) => {
    const finished = await run(args, account);
    expect(finished.code, finished.stderr + finished.stdout).toBe(0);
    return finished.json<T>();
  };

  it('changes the policy by two members', async () => {
    const { current } = await must<PolicyState>(['policy', 'show']);
    const file = cli.path('policy.json');
    const next = { ...current.policy, version: 2, vendorRate: { perSecond: 500, burst: 1_000 } };
    writeFileSync(file, JSON.stringify(next));
    const { proposal } = await must<{ proposal: PolicyProposal }>(
      ['policy', 'propose', file, '--reason', 'Known vendors.'],
      'alice',
    );
    const waiting = await must<{ proposals: PolicyProposal[] }>(['policy', 'proposals'], 'bob');
    expect(waiting.proposals).toEqual([proposal]);
    const refused = await run(['policy', 'approve', proposal.id], 'alice');
    expect([refused.code === 0, refused.stdout]).toEqual([false, expect.stringContaining('policy/own-proposal')]);
    const adopted = await must<PolicyState>(['policy', 'approve', proposal.id], 'bob');
    expect(adopted.current.policy).toEqual(next);
    expect((await must<PolicyState>(['policy', 'show'])).history).toEqual([current]);
  });

  it('restricts a statement, and shows it to whom it belongs', async () => {
    const { withheld } = await must<WithholdingState>(['restrict', entry, '--reason', 'Embargo.'], 'victor');
    expect(withheld).toMatchObject({ kind: 'restricted', reason: 'Embargo.' });
    const shown = (account?: string) => must<{ entry: LogEntryDetail }>(['show', entry], account);
    expect((await shown()).entry.statement).toBeUndefined();
    expect((await shown('vera')).entry.statement).toBeUndefined();
    expect((await shown('victor')).entry.statement).toBeDefined();
    await must(['release', entry], 'alice');
    expect((await shown()).entry.statement).toBeDefined();
  });

  it('erases it by two votes, and tells so', async () => {
    const vote = (account: string) =>
      must<WithholdingState & { votes: number }>(['erase', entry, '--reason', 'Order 17.'], account);
    expect(await vote('alice')).toMatchObject({ votes: 1 });
    expect(await vote('bob')).toMatchObject({ votes: 2, withheld: { kind: 'erased' } });
    const shown = await cli.run(['--registry', registry.url, 'log', 'show', entry]);
    expect(shown.stdout).toMatch(/was erased since .*: Order 17\./);
  });
});
