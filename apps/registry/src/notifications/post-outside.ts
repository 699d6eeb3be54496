import { lookup as resolveName } from 'node:dns/promises';
import { request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { isLoopbackAddress, isPublicAddress } from './public-address.ts';

export interface OutsideRules {
  /** Whether plain HTTP and this machine's own addresses may be used: for development. */
  readonly allowsLoopback: boolean;
  /** Every address of a name. */
  readonly resolve?: (name: string) => Promise<string[]>;
}

/** The address is not one of the public Internet. */
export class ForbiddenAddress extends Error {
  override name = 'ForbiddenAddress';
}

const TIMEOUT_MS = 10_000;
/** What of an answer is read before the connection is closed. Nothing of it is kept. */
const MAX_ANSWER_BYTES = 16_384;

/**
 * Why a URL of a stranger cannot be called, as a sentence, or `undefined`. Looks at the text only: where a name leads
 * is asked at each call.
 */
export function flawOfOutsideUrl(text: string, { allowsLoopback }: OutsideRules): string | undefined {
  if (!URL.canParse(text)) return 'It is not a URL.';
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(allowsLoopback && url.protocol === 'http:')) return 'It must begin with https://.';
  if (url.username !== '' || url.password !== '') return 'It must not hold a user or a password.';
  if (url.hash !== '') return 'It must not have a fragment.';
  const host = hostOf(url);
  if (isIP(host) !== 0 && !isAllowed(host, allowsLoopback)) return 'It must be a public address.';
  if (isIP(host) === 0 && !host.includes('.') && !allowsLoopback) return 'It must be a full host name.';
  return undefined;
}

/**
 * Posts to an address that a stranger chose, and returns the status of the answer. The name is resolved once; every address it
 * has must be public, and the connection goes to one of those and to no other, whatever the name says a moment later.
 * Redirects are not followed, and the answer is not looked at. Throws {@link ForbiddenAddress}, or what the network says;
 * ends after ten seconds at most.
 */
export async function postOutside(
  text: string,
  headers: Record<string, string>,
  body: Uint8Array,
  rules: OutsideRules,
): Promise<number> {
  const flaw = flawOfOutsideUrl(text, rules);
  if (flaw !== undefined) throw new ForbiddenAddress(flaw);
  const url = new URL(text);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const addresses = await addressesOf(hostOf(url), rules, signal);
  const pinned: LookupFunction = (_name, { all }, done) => {
    const found = addresses.map((address) => ({ address, family: isIP(address) }));
    const [first] = found;
    if (all) done(null, found);
    else done(null, first?.address ?? '', first?.family);
  };
  return new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? requestTls : requestPlain;
    const sent = request(
      url,
      {
        method: 'POST',
        agent: false, // a kept connection would have been pinned by another call
        lookup: pinned,
        signal,
        headers: { ...headers, 'Content-Length': body.length },
        maxHeaderSize: MAX_ANSWER_BYTES,
      },
      (response) => {
        let read = 0;
        response.on('data', (part: Buffer) => {
          read += part.length;
          if (read > MAX_ANSWER_BYTES) response.destroy();
        });
        response.on('error', () => undefined);
        response.on('close', () => resolve(response.statusCode ?? 0));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

async function addressesOf(
  host: string,
  { allowsLoopback, resolve }: OutsideRules,
  signal: AbortSignal,
): Promise<string[]> {
  const addresses = isIP(host) === 0 ? await inTime((resolve ?? resolveAll)(host), signal) : [host];
  if (addresses.length === 0) throw new Error('The name has no address.');
  if (!addresses.every((address) => isAllowed(address, allowsLoopback))) {
    throw new ForbiddenAddress('The name leads to an address that is not public.');
  }
  return addresses;
}

async function resolveAll(name: string): Promise<string[]> {
  return (await resolveName(name, { all: true, verbatim: true })).map(({ address }) => address);
}

/** The resolver of the system cannot be interrupted; it can be left alone. */
function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('The name did not resolve in time.')));
    work.then(resolve, reject);
  });
}

function isAllowed(address: string, allowsLoopback: boolean): boolean {
  return isPublicAddress(address) || (allowsLoopback && isLoopbackAddress(address));
}

/** IPv6 addresses stand in brackets in URLs, and names may end in a dot. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
}
