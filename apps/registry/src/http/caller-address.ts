import type { IncomingMessage } from 'node:http';
import { isIP, type BlockList } from 'node:net';
import { plainAddress, toBlockList } from './networks.ts';

/** Who a request comes from, where proxies of ours stand in front (`TRUSTED_PROXIES`). */
export class CallerAddress {
  private readonly proxies: BlockList;
  private readonly hasProxies: boolean;

  constructor(trustedProxies: readonly string[]) {
    this.hasProxies = trustedProxies.length > 0;
    this.proxies = toBlockList(trustedProxies);
  }

  /** The last address that is not of a proxy of ours: what stands before it anybody may have written. */
  of(request: IncomingMessage): string {
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
