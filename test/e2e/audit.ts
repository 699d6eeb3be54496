/** What a vendor and an auditor ask of a running registry, for tests that count both. */
import type { Client } from 'pg';
import { expect } from 'vitest';
import { bundlePath, checkCheckpoint, leafHash, readBundle, Tree } from '../independent.mjs';

/** Sends a statement; the body is the receipt, or what went wrong. */
export async function register(url: string, statement: Uint8Array): Promise<{ status: number; body: Uint8Array }> {
  const response = await fetch(`${url}/entries`, {
    method: 'POST',
    headers: { 'content-type': 'application/cose' },
    body: Buffer.from(statement),
  });
  return { status: response.status, body: new Uint8Array(await response.arrayBuffer()) };
}

/** The published log's tree, from its entry bundles, checked against the checkpoint. No entry is in it twice. */
export async function treeOf(url: string): Promise<Tree> {
  const { checkpointKey } = (await (await fetch(`${url}/log/log.json`)).json()) as { checkpointKey: string };
  const { size, root } = checkCheckpoint(await bytesAt(`${url}/log/checkpoint`), checkpointKey);
  const tree = new Tree();
  const seen = new Set<string>();
  for (let first = 0; first < size; first += 256) {
    for (const entry of readBundle(Buffer.from(await bytesAt(`${url}${bundlePath(first, size)}`)))) {
      tree.append(leafHash(entry));
      seen.add(entry.toString('hex'));
    }
  }
  expect(tree.size).toBe(size);
  expect(seen.size).toBe(size);
  expect(tree.root(size)).toEqual(root);
  return tree;
}

/** Whether the CRLs and the trust root that are out hold every revocation there is. */
export async function areRevocationsOut(database: Client): Promise<boolean> {
  const { rows } = await database.query<{ done: boolean }>(
    `SELECT r.last = (SELECT min(sequence) FROM crl_progress) AND t.made_from LIKE '%revocations ' || r.last || ' %' AS done
     FROM tuf_current t, (SELECT max(sequence) AS last FROM revocation) r`,
  );
  return rows[0]?.done === true;
}

export async function bytesAt(url: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}.`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Waits until it is so. The limit only keeps a test from hanging: a busy machine may take many times what an idle one does. */
export async function until(isSo: () => Promise<boolean>, seconds = 120): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`It did not come to pass in ${seconds} seconds.`);
    await pause(0.1);
  }
}

export function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
