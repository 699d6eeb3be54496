import type { IncomingMessage } from 'node:http';
import type { Config } from '../config.ts';
import { CallerAddress } from './caller-address.ts';
import { networkOf } from './networks.ts';
import { RateLimitFault } from './rate-limit.fault.ts';
import { TokenBuckets, type Rate } from './token-buckets.ts';

const MAX_ADDRESSES = 65_536;

/**
 * What one address may ask of this process, judged by the request line alone, before a body is read. Nobody is refused by
 * mistake of spelling: whatever is posted outside the API counts as a registration, however its path is written.
 */
export class RateLimits {
  private readonly registrations = new TokenBuckets(MAX_ADDRESSES);
  private readonly searches = new TokenBuckets(MAX_ADDRESSES);
  private readonly config: Pick<Config, 'registrationRate' | 'searchRate'>;
  private readonly callers: CallerAddress;

  constructor(config: Pick<Config, 'registrationRate' | 'searchRate' | 'trustedProxies'>) {
    this.config = config;
    this.callers = new CallerAddress(config.trustedProxies);
  }

  /** Throws the RateLimitFault of an address that asks too often. `path` is without query. */
  check(path: string, request: IncomingMessage): void {
    const { registrationRate, searchRate } = this.config;
    if (request.method === 'POST') {
      if (registrationRate !== undefined && !isApi(path)) {
        this.take(this.registrations, registrationRate, request, 'registration/rate-limited');
      }
    } else if (searchRate !== undefined && isSearch(path)) {
      this.take(this.searches, searchRate, request, 'http/rate-limited');
    }
  }

  private take(buckets: TokenBuckets, rate: Rate, request: IncomingMessage, code: RateLimitFault['code']): void {
    const waitMs = buckets.take(networkOf(this.callers.of(request)), rate, performance.now());
    if (waitMs === 0) return;
    const message = `Your address may send ${rate.perSecond} a second, and ${rate.burst} at once. Wait, then go on.`;
    throw new RateLimitFault(code, message, { name: 'address', ...rate, waitMs });
  }
}

function isApi(path: string): boolean {
  return path.startsWith('/api/v1/') || path.startsWith('/oidc/');
}

/** Reads that cost the database more than a tile does. */
function isSearch(path: string): boolean {
  return /^\/(?:api\/v1\/log\/entries|log\/(?:evidence|seals))(?:\/|$)/.test(plainPath(path));
}

/** As the router will read it: without percent-encoding and in lower case. */
function plainPath(path: string): string {
  if (!path.includes('%')) return path.toLowerCase();
  try {
    return decodeURIComponent(path).toLowerCase();
  } catch {
    return ''; // nobody's path
  }
}
