import { Fault } from '@margo-trust/fault';

export type RateLimitFaultCode = 'http/rate-limited' | 'registration/rate-limited';

/** A caller asked for more than its share. The same request is fine later. */
export class RateLimitFault extends Fault<RateLimitFaultCode> {
  /** Whole seconds, 1 at least, until it may ask again. */
  readonly retryAfterSeconds: number;
  /** The fields of draft-ietf-httpapi-ratelimit-headers: what the limit is, and what is left of it. */
  readonly headers: Readonly<Record<'RateLimit-Policy' | 'RateLimit', string>>;

  constructor(
    code: RateLimitFaultCode,
    message: string,
    limit: { name: string; burst: number; perSecond: number; waitMs: number },
  ) {
    super(code, message);
    const seconds = Math.max(1, Math.ceil(limit.waitMs / 1_000));
    const window = Math.max(1, Math.ceil(limit.burst / limit.perSecond));
    this.retryAfterSeconds = seconds;
    this.headers = {
      'RateLimit-Policy': `"${limit.name}";q=${limit.burst};w=${window}`,
      RateLimit: `"${limit.name}";r=0;t=${seconds}`,
    };
  }
}
