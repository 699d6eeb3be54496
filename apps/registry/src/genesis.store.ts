import type { Tx } from './db/db.ts';

/** One founder at a time, until `tx` ends: replicas may start together. */
export async function lockGenesis(tx: Tx): Promise<void> {
  await tx.query('SELECT pg_advisory_xact_lock($1)', [GENESIS_LOCK]);
}

/** The domain that this database was founded for, if it was. */
export async function findFoundedDomain(tx: Tx): Promise<string | undefined> {
  const [row] = await tx.query<{ domain: string }[]>('SELECT domain FROM genesis');
  return row?.domain;
}

export async function insertGenesis(tx: Tx, domain: string, at: Date): Promise<void> {
  await tx.query('INSERT INTO genesis (domain, at) VALUES ($1, $2)', [domain, at]);
}

const GENESIS_LOCK = 0x67656e65; // "gene"
