import { Injectable } from '@nestjs/common';
import type { Tx } from '../../db/db.ts';
import { AppendRecord, type RegistryRecord } from '../append-record.ts';
import { GoverningRecord } from '../governing-record.ts';
import { LogLife } from '../log-life.ts';
import { ServedLog } from '../served-log.ts';

/** A record about a statement of the served log; `log` is added where it goes to another one. */
export type WithholdingRecord = RegistryRecord & { readonly payload: Readonly<Record<string, unknown>> };

/**
 * Puts on record that a statement is withheld, or no longer: in its log, and in the first one too, since other logs may hold the same
 * statement and whoever replays those reads the first beside them. A frozen log takes no record, and the first one's stands for it.
 */
@Injectable()
export class RecordWithholding {
  constructor(
    private readonly log: ServedLog,
    private readonly life: LogLife,
    private readonly own: AppendRecord,
    private readonly governing: GoverningRecord,
  ) {}

  /** Where the record is: in its own log if that takes one. The first one's head is held from here on, whichever log decides. */
  async run(tx: Tx, record: WithholdingRecord): Promise<{ readonly entryId: string }> {
    const { isFirst, origin } = this.log;
    if (isFirst) return this.own.run(tx, record);
    const isFrozen = (await this.life.find())?.frozenAt !== undefined;
    const own = isFrozen ? undefined : await this.own.run(tx, record);
    const governing = await this.governing.run(tx, { ...record, payload: { ...record.payload, log: origin } });
    return own ?? governing;
  }
}
