import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type AuditorFaultCode =
  | 'audit/after-freeze'
  | 'audit/back-dated-policy'
  | 'audit/bad-checkpoint'
  | 'audit/bad-evidence'
  | 'audit/changed-statement'
  | 'audit/fork'
  | 'audit/missing-entry'
  | 'audit/other-log'
  | 'audit/retired-key'
  | 'audit/rollback'
  | 'audit/unexplained-erasure'
  | 'audit/wrong-admission'
  | 'audit/wrong-facts'
  | 'audit/wrong-genesis'
  | 'audit/wrong-index'
  | 'audit/wrong-receipt'
  | 'audit/wrong-root'
  | 'audit/wrong-seal'
  | 'audit/wrong-signature'
  | 'audit/wrong-tile';

/** What an audit found. The message names the first thing that differs, with both sides where there are two. */
export class AuditorFault extends Fault<AuditorFaultCode> {
  /** The entry that it is about. */
  readonly index?: bigint;

  constructor(code: AuditorFaultCode, message: string, options: ErrorOptions & { index?: bigint } = {}) {
    super(code, message, options);
    if (options.index !== undefined) this.index = options.index;
  }
}

/** A finding about one entry; `what` is the rest of the sentence. */
export function wrongEntry(
  index: bigint,
  what: string,
  code: AuditorFaultCode = 'audit/wrong-admission',
): AuditorFault {
  return new AuditorFault(code, `Entry ${index} ${what}.`, { index });
}
