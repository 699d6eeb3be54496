import type { IncomingMessage } from 'node:http';
import { isIP, type BlockList } from 'node:net';
import type { Config } from '../config.ts';
import { networkOf, plainAddress, toBlockList } from './networks.ts';
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
  private readonly proxies: BlockList;
  private readonly hasProxies: boolean;

  constructor(config: Pick<Config, 'registrationRate' | 'searchRate' | 'trustedProxies'>) {
    this.config = config;
    this.hasProxies = config.trustedProxies.length > 0;
    this.proxies = toBlockList(config.trustedProxies);
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
    const waitMs = buckets.take(networkOf(this.addressOf(request)), rate, performance.now());
    if (waitMs === 0) return;
    const message = `Your address may send ${rate.perSecond} a second, and ${rate.burst} at once. Wait, then go on.`;
    throw new RateLimitFault(code, message, { name: 'address', ...rate, waitMs });
  }

  /** The last address that is not of a proxy of ours: what stands before it anybody may have written. */
  private addressOf(request: IncomingMessage): string {
    let address = plainAddress(request.socket.remoteAddress ?? '');
    if (!this.hasProxies) return address;
    const forwarded = String(request.headers['x-forwarded-for'] ?? '')
      .slice(-1_000)
      .split(',')
      .reverse();
    for (const hop of forwarded) {
      if (!this.isProxy(address)) return address;
      const next = plainAddress(hop.trim());
      if (isIP(next) === 0) return address;
      address = next;
    }
    return address;
  }

  private isProxy(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.proxies.check(address, family === 6 ? 'ipv6' : 'ipv4');
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
