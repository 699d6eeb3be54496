import { Injectable } from '@nestjs/common';
import { type LogKeyPurpose, readKeyEvent } from '@margo-trust/auditor';
import { parseStatement } from '@margo-trust/statement';
import { verifierKeySpki } from '@margo-trust/tlog';
import { parseTrustRootDocument } from '@margo-trust/verifier';
import type { Tx } from '../../db/db.ts';
import type { ServedLog } from '../served-log.ts';
import type { LogKey } from './log-key.ts';
import { LogKeyStore } from './log-key.store.ts';

/**
 * Reads the keys of a log out of the log: those that its second entry names, and the records that replaced one. For a database
 * that was founded before keys, or ML-DSA-44 ones, had a table, or whose log was brought back from a copy.
 */
@Injectable()
export class RestoreLogKeys {
  constructor(private readonly store: LogKeyStore) {}

  /** Changes nothing where the table holds what the log says. Nothing for a log that is not there. */
  async run(tx: Tx, { id, origin }: Pick<ServedLog, 'id' | 'origin'>): Promise<void> {
    const known = await this.store.find(id, tx);
    if (!known) return;
    await this.restoreFirst(tx, id, origin, known.keys);
    for (const { index, body, at } of await this.store.findKeyStatements(tx, id, origin)) {
      const event = readKeyEvent({ index, statement: parseStatement(body) });
      if (!event || known.keys.some(({ eventIndex }) => eventIndex === index)) continue;
      const { purpose, key: spki, fromSize } = event;
      await this.store.replace(tx, id, { purpose, spki, fromSize, eventIndex: index, since: at });
    }
  }

  private async restoreFirst(tx: Tx, id: number, origin: string, known: readonly LogKey[]): Promise<void> {
    if (known.some(({ purpose }) => purpose === 'checkpoint-ml-dsa-44')) return; // the last purpose that came
    const anchors = await this.store.findAnchors(tx, id);
    if (!anchors) return; // not opened yet
    const { logs, records } = parseTrustRootDocument(parseStatement(anchors.body).payload);
    const log = logs.find((candidate) => candidate.origin === origin);
    const [receipt] = log?.receiptKeys ?? [];
    const [record] = records;
    if (!log || !receipt || !record) throw new Error(`The second entry of ${origin} does not name its keys.`);
    const [mlDsa44] = log.mlDsa44History;
    const spkis = new Map<LogKeyPurpose, Uint8Array>([
      ['checkpoint', verifierKeySpki(log.checkpointKey)],
      ...(mlDsa44 ? [['checkpoint-ml-dsa-44', verifierKeySpki(mlDsa44.key)] as const] : []),
      ['receipt', receipt.key.spki],
      ['record', record.key.spki],
      ...(log.sctKey ? [['sct', log.sctKey.spki] as const] : []),
    ]);
    for (const { purpose } of known) spkis.delete(purpose);
    await this.store.insertFirst(tx, id, spkis, anchors.at);
  }
}
