import { BlockList, isIP } from 'node:net';

/** Everything that is not the public IPv4 Internet (IANA special-purpose registry), multicast and reserved space. */
const NOT_PUBLIC_IPV4 = blockList('ipv4', [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16], // link-local, and the metadata services of clouds
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
]);

/** Of the public IPv6 Internet, what leads to an IPv4 address by way of another, or nowhere. */
const NOT_PUBLIC_IPV6 = blockList('ipv6', [
  ['2001::', 23], // Teredo, ORCHID and others
  ['2001:db8::', 32],
  ['2002::', 16], // 6to4
  ['3fff::', 20],
]);
/** Global unicast. Everything else is loopback, link-local, ULA, multicast, IPv4-mapped or NAT64. */
const GLOBAL_IPV6 = blockList('ipv6', [['2000::', 3]]);

/** Whether an IP address is one of the public Internet. Text that is no address is not. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !NOT_PUBLIC_IPV4.check(address, 'ipv4');
    case 6:
      return GLOBAL_IPV6.check(address, 'ipv6') && !NOT_PUBLIC_IPV6.check(address, 'ipv6');
    default:
      return false;
  }
}

/** Whether an IP address is this machine's own: 127.0.0.0/8 or ::1. */
export function isLoopbackAddress(address: string): boolean {
  return address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

function blockList(family: 'ipv4' | 'ipv6', nets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [net, bits] of nets) list.addSubnet(net, bits, family);
  return list;
}
