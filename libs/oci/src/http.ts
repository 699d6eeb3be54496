import { OciFault } from './fault.ts';
import { collect, tooLarge } from './content.ts';

/** How one host is spoken to. Shared by the registry's own requests and those for tokens. */
export interface HttpOptions {
  /** Hosts (`registry.example:5000`) to be spoken to in plain HTTP, beside those on the loopback interface. */
  readonly plainHttp?: readonly string[];
  /** Longest silence of a server in seconds, before its answer and between two pieces of it. Default 60. */
  readonly idleSeconds?: number;
  readonly userAgent?: string;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Must be read or let go of by {@link HttpAnswer.discard}. */
  readonly body: AsyncIterable<Uint8Array>;
  discard(): Promise<void>;
}

/** Only loopback hosts, and those the operator named, may be asked without TLS. */
export function mayBePlain(host: string, options: HttpOptions): boolean {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  const isLoopback =
    name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name);
  return isLoopback || (options.plainHttp ?? []).includes(host);
}

/** A URL that came from a server: absolute, HTTPS or allowed to be plain, and without credentials in it. */
export function parseServerUrl(text: string, base: string | undefined, options: HttpOptions): URL {
  if (!URL.canParse(text, base)) throw new OciFault('oci/bad-answer', 'The registry named a URL that is none.');
  const url = new URL(text, base);
  if (url.username !== '' || url.password !== '') {
    throw new OciFault('oci/bad-answer', 'The registry named a URL with credentials in it.');
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && mayBePlain(url.host, options))) {
    throw new OciFault('oci/insecure', `The registry leads to ${url.origin}, which is not HTTPS.`);
  }
  return url;
}

/**
 * One request, one answer; redirects are answers. A server that is busy (429, 502, 503, 504) is asked again, twice at
 * most, if the request can be repeated. `oci/unreachable` when no answer comes.
 */
export async function request(url: URL, request: HttpRequest, options: HttpOptions): Promise<HttpAnswer> {
  const canRepeat = request.method !== 'POST' && (request.body === undefined || request.body instanceof Uint8Array);
  for (let attempt = 0; ; attempt++) {
    const answer = await requestOnce(url, request, options);
    if (!BUSY.has(answer.status) || !canRepeat || attempt === 2) return answer;
    await answer.discard();
    const asked = Number(answer.headers.get('retry-after') ?? NaN);
    const seconds = Number.isFinite(asked) ? Math.min(Math.max(asked, 0), 10) : 0.25 * 4 ** attempt;
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  }
}

async function requestOnce(
  url: URL,
  { method, headers, body }: HttpRequest,
  options: HttpOptions,
): Promise<HttpAnswer> {
  const silence = new SilenceGuard((options.idleSeconds ?? 60) * 1000);
  try {
    const response = await fetch(url, {
      method,
      headers: {
        'user-agent': options.userAgent ?? 'margo-trust',
        // A compressed answer would be hashed after decompression; and nobody else may decide how large it grows.
        'accept-encoding': 'identity',
        ...headers,
      },
      redirect: 'manual',
      signal: silence.signal,
      ...(body && { body: body instanceof Uint8Array ? new Uint8Array(body) : silence.watch(body), duplex: 'half' }),
    });
    silence.heard();
    return {
      status: response.status,
      headers: response.headers,
      body: readPieces(response, silence),
      discard: async () => {
        silence.stop();
        await response.body?.cancel().catch(() => undefined);
      },
    };
  } catch (cause) {
    silence.stop();
    throw unreachable(url, cause);
  }
}

async function* readPieces(response: Response, silence: SilenceGuard): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      silence.stop(); // how long the reader takes is not the server's fault
      yield piece;
      silence.heard();
    }
  } catch (cause) {
    throw unreachable(new URL(response.url), cause);
  } finally {
    silence.stop();
  }
}

function unreachable(url: URL, cause: unknown): unknown {
  // What we were sending may have failed on our side; then that is the reason.
  const own = [cause, cause instanceof Error ? cause.cause : undefined].find((error) => error instanceof OciFault);
  return own ?? new OciFault('oci/unreachable', `${url.host} cannot be reached or stopped answering.`, { cause });
}

/** The whole body; refused as soon as it grows past `maxBytes`. */
export async function readBody(answer: HttpAnswer, maxBytes: number): Promise<Uint8Array> {
  const announced = Number(answer.headers.get('content-length') ?? 0);
  if (announced > maxBytes) {
    await answer.discard();
    throw tooLarge(maxBytes);
  }
  return collect(answer.body, maxBytes);
}

/** Aborts when nothing has been heard for a while; how long everything takes is not its business. */
class SilenceGuard {
  private readonly controller = new AbortController();
  private readonly milliseconds: number;
  private timer: NodeJS.Timeout | undefined;

  constructor(milliseconds: number) {
    this.milliseconds = milliseconds;
    this.heard();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  heard(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.controller.abort(new Error('silence')), this.milliseconds);
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  /** Sending is a sign of life too. */
  async *watch(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      this.heard();
      yield piece;
    }
  }
}

const BUSY: ReadonlySet<number> = new Set([429, 502, 503, 504]);
