import { Fault } from '@margo-trust/fault';

/** Stable: retire a code, never rename it. */
export type CliFaultCode =
  | 'cli/ambiguous'
  | 'cli/bad-usage'
  | 'cli/ceremony-refused'
  | 'cli/file-exists'
  | 'cli/hook-failed'
  | 'cli/in-use'
  | 'cli/maintenance-failed'
  | 'cli/needs-network'
  | 'cli/no-home'
  | 'cli/no-registry'
  | 'cli/no-such-file'
  | 'cli/not-found'
  | 'cli/not-signed-in'
  | 'cli/not-trusted-yet'
  | 'cli/unreadable'
  | 'cli/unwritable'
  | 'policy/no-release'
  | 'policy/other-vendor'
  | 'policy/stale';

/** `message` says what happened and to which input; `advice` what to do. */
export class CliFault extends Fault<CliFaultCode> {
  readonly advice: string;

  constructor(code: CliFaultCode, message: string, advice: string, options?: ErrorOptions) {
    super(code, message, options);
    this.advice = advice;
  }
}
