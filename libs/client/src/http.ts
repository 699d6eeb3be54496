import { ClientFault } from './fault.ts';

export interface DownloadLimits {
  /** Longest body that is read; one byte more ends the transfer. */
  readonly maxBytes: number;
  /** For the whole exchange, so that a body that drips is as bounded as one that never comes. */
  readonly timeoutSeconds: number;
  /** Ends the exchange earlier. */
  readonly signal?: AbortSignal;
}

/**
 * The body of a GET, or undefined for a 404.
 *
 * The server is not trusted: size and time are bounded, and redirects are refused, since whoever signed for a path
 * said nothing about another one. Faults with client/bad-status, client/redirect, client/timeout, client/too-large,
 * client/unreachable.
 */
export async function download(url: URL, limits: DownloadLimits): Promise<Uint8Array | undefined> {
  const timeout = AbortSignal.timeout(limits.timeoutSeconds * 1000);
  const signal = limits.signal ? AbortSignal.any([timeout, limits.signal]) : timeout;
  try {
    const response = await fetch(url, { signal, redirect: 'manual', headers: { 'accept-encoding': 'identity' } });
    const isWanted = await isFound(response);
    return isWanted ? await readBody(response, limits.maxBytes) : undefined;
  } catch (cause) {
    if (cause instanceof ClientFault) throw cause;
    if (signal.aborted) throw new ClientFault('client/timeout', 'The server took too long.', { cause });
    throw new ClientFault('client/unreachable', 'The server can’t be reached, or the connection broke.', { cause });
  }
}

/** Whether the body is the file that was asked for. If it isn't, the connection is let go. */
async function isFound(response: Response): Promise<boolean> {
  const { status } = response;
  if (status === 200) return true;
  await response.body?.cancel();
  if (status === 404) return false;
  if (status >= 300 && status < 400) throw new ClientFault('client/redirect', 'The server points elsewhere.');
  throw new ClientFault('client/bad-status', `The server answers ${status}.`);
}

/** The body, as far as it is no longer than allowed. */
export async function readBody(response: Response, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop by a fault cancels the transfer.
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw new ClientFault('client/too-large', `The body is longer than ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}
