import { areEqualBytes, encodeBase64 } from '@margo-trust/bytes';
import { appendLeaves, emptyRange, rootOfRange, type CompactRange } from '@margo-trust/merkle';
import type { VerifierKey } from '@margo-trust/tlog';
import { AuditorFault } from './fault.ts';
import type { GovernanceSeen } from './governance-seen.ts';
import type { CheckedRow } from './log-check.ts';
import { AdmissionReplay } from './replay.ts';

/**
 * The first log of a registry, replayed beside another one of its logs: at every entry of that one it has come just as far as the
 * entry rests on. Rows must come from a `LogCheck` over the first log, all of them, from the first one on.
 */
export class GovernanceReplay {
  readonly replay: AdmissionReplay;
  private readonly origin: string;
  private range: CompactRange = emptyRange();

  constructor(logKey: VerifierKey) {
    this.origin = logKey.name;
    this.replay = new AdmissionReplay(logKey);
  }

  /** Rows so far. */
  get size(): bigint {
    return this.range.size;
  }

  add(row: CheckedRow): void {
    this.replay.add([row]);
    this.range = appendLeaves(this.range, [row.leafHash]);
  }

  /**
   * Throws unless the first log has come to just this place: `audit/wrong-admission`, and `audit/fork` when the other log was
   * shown another tree than this one.
   */
  meet({ index, origin, size, root }: GovernanceSeen): void {
    if (origin !== this.origin || size !== this.size) {
      const message = `Entry ${index} rests on ${size} entries of ${origin}, and not on ${this.size} of ${this.origin}.`;
      throw new AuditorFault('audit/wrong-admission', message, { index });
    }
    const found = rootOfRange(this.range);
    if (areEqualBytes(found, root)) return;
    const message = `Entry ${index} rests on a tree of ${size} entries of ${origin} with the root ${encodeBase64(root)}; its entries lead to ${encodeBase64(found)}.`;
    throw new AuditorFault('audit/fork', message, { index });
  }
}
