import { encodeBase64Url } from '@margo-trust/bytes';
import { wrongEntry } from './fault.ts';
import type { CheckedRow } from './log-check.ts';
import type { RecordPayload } from './record.ts';

/** Rows without statement, and what the records say of them by now; both by EntryID. */
export class WithheldStatements {
  private readonly missing = new Map<string, CheckedRow>();
  private readonly withheld = new Set<string>();
  private readonly origin: string;

  /** `origin` is that of the log. */
  constructor(origin: string) {
    this.origin = origin;
  }

  /** `issuer` is the registry's URI: its own statements are always shown. */
  noteMissing(checked: CheckedRow, issuer: string): void {
    const { index, row } = checked;
    if (row.issuer === issuer) {
      const what = 'is a statement of the registry itself and is not shown: nobody can follow its decisions';
      throw wrongEntry(index, what, 'audit/unexplained-erasure');
    }
    this.missing.set(encodeBase64Url(row.entry), checked);
  }

  /** By a record that restricts a statement, or erases it. In the first log it may be about one in another log, at another index. */
  withhold(record: RecordPayload, index: bigint): void {
    const entryId = record.text('entry');
    const isElsewhere = (record.optionalText('log') ?? this.origin) !== this.origin;
    const missing = isElsewhere ? undefined : this.missing.get(entryId);
    if (missing && record.text('index') !== missing.index.toString()) {
      throw wrongEntry(
        index,
        `says that it withholds entry ${record.text('index')}, and that is entry ${missing.index}`,
      );
    }
    this.withheld.add(entryId);
  }

  release(record: RecordPayload): void {
    this.withheld.delete(record.text('entry'));
  }

  /**
   * At the end: throws `audit/unexplained-erasure` for a statement that is not shown, and that no record withholds: none here, and none in the
   * first log, which speaks for all.
   */
  refuseUnexplained(first: WithheldStatements = this): void {
    for (const [entryId, { index }] of this.missing) {
      if (this.withheld.has(entryId) || first.withheld.has(entryId)) continue;
      const what = 'is shown without its statement, and no record up to this checkpoint says that it is withheld';
      throw wrongEntry(index, what, 'audit/unexplained-erasure');
    }
  }
}
