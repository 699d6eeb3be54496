import { Fault } from '@margo-trust/fault';
import type { FieldError } from '@margo-trust/wire';

export type HttpFaultCode =
  | 'http/body-incomplete'
  | 'http/body-too-large'
  | 'http/internal'
  | 'http/invalid-body'
  | 'http/invalid-query'
  | 'http/malformed-request'
  | 'http/method-not-allowed'
  | 'http/not-an-object'
  | 'http/not-found'
  | 'http/not-ready'
  | 'http/unsupported-media-type';

/** A request that is wrong before any area has seen it. `errors` names the members at fault. */
export class HttpFault extends Fault<HttpFaultCode> {
  readonly errors: readonly FieldError[] | undefined;

  constructor(code: HttpFaultCode, message: string, options: ErrorOptions & { errors?: readonly FieldError[] } = {}) {
    super(code, message, options);
    this.errors = options.errors;
  }
}
