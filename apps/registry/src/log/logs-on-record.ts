import { Injectable } from '@nestjs/common';
import { Config } from '../config.ts';
import type { Tx } from '../db/db.ts';
import { KeyRing } from '../keys/key-ring.ts';
import { LogsReader } from './governance/logs.reader.ts';
import { LogIdentity } from './log-identity.ts';
import type { ServedLog } from './served-log.ts';

/** A log with its keys, and when it ended. */
export interface LogOnRecord {
  readonly identity: LogIdentity;
  /** When it took its last entry, and how many it has. */
  readonly frozen?: { readonly at: Date; readonly size: bigint };
  readonly retiredAt?: Date;
}

/** All logs of the registry, as others are told of them: the first one first. */
@Injectable()
export class LogsOnRecord {
  private readonly identities = new Map<string, LogIdentity>();

  constructor(
    private readonly reader: LogsReader,
    private readonly config: Config,
    private readonly keys: KeyRing,
  ) {}

  async load(tx?: Tx): Promise<LogOnRecord[]> {
    const logs = await this.reader.withKeys(tx);
    return logs.map(({ log, size, keys, frozenAt, retiredAt }) => {
      const identity = this.identityOf(log);
      identity.learn(keys);
      return {
        identity,
        ...(frozenAt && { frozen: { at: frozenAt, size } }),
        ...(retiredAt && { retiredAt }),
      };
    });
  }

  /** Another text for other logs, keys or states. */
  async version(): Promise<string> {
    const logs = await this.load();
    return logs
      .map(({ identity, frozen, retiredAt }) => {
        const state = retiredAt ? 'retired' : frozen ? 'frozen' : 'active';
        return `${identity.origin} ${state}: ${identity.keySet.version}`;
      })
      .join('; ');
  }

  /** Kept, since a ring reads its files when it is first asked. */
  private identityOf(log: ServedLog): LogIdentity {
    const known = this.identities.get(log.origin) ?? new LogIdentity(this.config, this.keys, log);
    this.identities.set(log.origin, known);
    return known;
  }
}
