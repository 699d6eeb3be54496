import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { Tx } from '../../db/db.ts';
import { LogIdentity } from '../log-identity.ts';
import { LogKeyStore } from './log-key.store.ts';

/** How much of a head's keys somebody must know. */
export interface KeyedHead {
  readonly size: bigint;
  /** Where the last record about keys is, below this head; absent when the caller did not look. */
  readonly keyIndex?: bigint;
}

const FRESH_FOR_MS = 1_000;

/**
 * Sees to it that this process knows the keys that a head is signed with, before it signs or judges one: another process may
 * have replaced a key a moment ago. A record about keys at index i changes who signs from size i + 2 on, so what was known
 * at some size is right for one more.
 */
@Injectable()
export class LogKeys implements OnModuleInit {
  private known: { readonly size: bigint; readonly keyIndex: bigint; readonly at: number } | undefined;

  constructor(
    private readonly store: LogKeyStore,
    private readonly identity: LogIdentity,
  ) {}

  /** Before anybody asks what others have seen of this log, by the name of its first key. */
  async onModuleInit(): Promise<void> {
    await this.identity.openTokens();
    await this.refresh();
  }

  /** Costs a query only when a record may have come since. In a transaction, what that transaction sees counts. */
  async cover(head: KeyedHead, tx?: Tx): Promise<void> {
    if (this.known && (head.keyIndex === this.known.keyIndex || head.size <= this.known.size + 1n)) return;
    await this.refresh(tx);
  }

  /** As they are in the database now, or were a second ago. For what shows keys to others. */
  async fresh(): Promise<void> {
    if (!this.known || performance.now() - this.known.at >= FRESH_FOR_MS) await this.refresh();
  }

  async refresh(tx?: Tx): Promise<void> {
    const at = performance.now();
    const found = await this.store.find(this.identity.logId, tx);
    if (!found || found.keys.length === 0) return; // not founded yet
    if (tx) return this.identity.learn(found.keys); // the size that it sees may be rolled back
    if (this.known && found.size < this.known.size) return; // an older answer that came late, or a database put back
    const { size, keyIndex, keys } = found;
    this.known = { size, keyIndex, at };
    this.identity.learn(keys);
    if (this.identity.findMissing() !== undefined) await this.identity.openTokens();
  }
}
