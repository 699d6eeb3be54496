import { ClientFault } from './fault.ts';
import { readBody } from './http.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | URLSearchParams;
  /** Longest answer that is read. Default 4 MiB. */
  readonly maxBytes?: number;
  /** For the whole exchange. Default 30. */
  readonly timeoutSeconds?: number;
}

export interface HttpReply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/**
 * One request and its whole answer, whatever its status. Redirects are refused: they could carry a token elsewhere.
 * Faults with client/redirect, client/timeout, client/too-large, client/unreachable.
 */
export async function exchange(request: HttpRequest): Promise<HttpReply> {
  const { method, url, headers, body, maxBytes = 4 << 20, timeoutSeconds = 30 } = request;
  const signal = AbortSignal.timeout(timeoutSeconds * 1000);
  try {
    const response = await fetch(url, {
      method,
      signal,
      redirect: 'manual',
      headers: { ...headers, 'accept-encoding': 'identity' },
      ...(body && { body: body instanceof Uint8Array ? Uint8Array.from(body) : body }),
    });
    const { status } = response;
    if (status >= 300 && status < 400) {
      await response.body?.cancel();
      throw new ClientFault('client/redirect', `${url.origin} points elsewhere.`);
    }
    return { status, headers: response.headers, body: await readBody(response, maxBytes) };
  } catch (cause) {
    if (cause instanceof ClientFault) throw cause;
    if (signal.aborted) throw new ClientFault('client/timeout', `${url.origin} took too long.`, { cause });
    throw new ClientFault('client/unreachable', `${url.origin} can’t be reached, or the connection broke.`, { cause });
  }
}

/**
 * The address of a server that may be sent secrets: HTTPS, or plain HTTP to this machine or where it was allowed.
 * Without a slash at its end.
 */
export function parseServerUrl(text: string, { plainHttp = false }: { readonly plainHttp?: boolean } = {}): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url?.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (!url || !isPlain || !/^https?:$/.test(url.protocol)) {
    throw new ClientFault('client/bad-url', `${JSON.stringify(text.slice(0, 200))} is not an http or https address.`);
  }
  if (url.protocol === 'http:' && !plainHttp && !isLoopback(url.hostname)) {
    throw new ClientFault('client/insecure', `${url.origin} is not HTTPS, and anybody on the way could read along.`);
  }
  return url.href.replace(/\/+$/, '');
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
