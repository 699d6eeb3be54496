import { createHash, randomBytes } from 'node:crypto';
import { AwsClient } from 'aws4fetch';
import { areEqualBytes } from '@margo-trust/bytes';
import { headersOf, type KeptFile, type StoredFile, TileConflict, TileStore, UnfitStore } from './tile-store.ts';

export interface S3Place {
  /** Without trailing slash; the bucket is addressed in the path. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  /** Empty, or ending in a slash. */
  readonly prefix: string;
}

export interface S3Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
}

const WRITERS = 16;
const TIMEOUT_MS = 20_000;
const MAX_BYTES = 16_000_000;
const MAX_EVIDENCE_BYTES = 512 << 20;

/**
 * A bucket of an S3-compatible store, written with preconditions only: `If-None-Match: *` for what never changes,
 * `If-Match` for the rest (RFC 9110 §13.1). A write that was given up and lands later finds its condition broken.
 */
export class S3TileStore extends TileStore {
  readonly name: string;
  private readonly client: AwsClient;

  constructor(
    private readonly place: S3Place,
    { accessKey, secretKey }: S3Credentials,
  ) {
    super();
    this.name = `s3 ${place.endpoint}/${place.bucket}/${place.prefix}`;
    this.client = new AwsClient({
      accessKeyId: accessKey,
      secretAccessKey: secretKey,
      region: place.region,
      service: 's3',
      retries: 0, // a repeated create-only write would be refused for its own success
    });
  }

  /** Some proxies and stores drop preconditions without a word, and answer 200 to what they should refuse. */
  async prove(): Promise<void> {
    const file = { path: `.probe/${randomBytes(16).toString('hex')}`, bytes: Uint8Array.of(1) };
    try {
      const first = await this.put(file, { 'If-None-Match': '*' });
      if (!first.ok) throw refusal(first, 'the self-test');
      const outcomes = {
        'If-None-Match: *': await this.put({ ...file, bytes: Uint8Array.of(2) }, { 'If-None-Match': '*' }),
        'If-Match': await this.put({ ...file, bytes: Uint8Array.of(3) }, { 'If-Match': '"of-another-version"' }),
      };
      for (const [condition, { ok, status }] of Object.entries(outcomes)) {
        if (ok) throw this.unfit(`${condition} was ignored: it overwrote what was there`);
        if (status !== PRECONDITION_FAILED) throw this.unfit(`${condition} was answered ${status} rather than 412`);
      }
      const kept = await this.read(file.path);
      if (!kept || !areEqualBytes(kept.bytes, file.bytes)) throw this.unfit('what was written is not what is read');
    } finally {
      await this.request('DELETE', file.path).catch(() => undefined);
    }
  }

  async create(files: readonly StoredFile[]): Promise<void> {
    for (let at = 0; at < files.length; at += WRITERS) {
      const some = await Promise.allSettled(files.slice(at, at + WRITERS).map((file) => this.createOne(file)));
      const failed = some.find((one) => one.status === 'rejected');
      if (failed) throw failed.reason;
    }
  }

  async read(path: string): Promise<KeptFile | undefined> {
    const response = await this.request('GET', path);
    if (response.status === NOT_FOUND) return undefined;
    if (!response.ok) throw refusal(response, path);
    const version = response.headers.get('etag');
    if (version === null) throw new Error(`The store gives no ETag for ${path}.`);
    const isEvidence = path.startsWith('evidence/'); // 256 statements of full size, with their chains
    return { bytes: await readLimited(response, isEvidence ? MAX_EVIDENCE_BYTES : MAX_BYTES), version };
  }

  async replace(file: StoredFile, read: KeptFile | undefined): Promise<void> {
    const response = await this.put(file, read ? { 'If-Match': read.version } : { 'If-None-Match': '*' });
    if (response.ok) return;
    if (response.status !== PRECONDITION_FAILED && response.status !== NOT_FOUND) throw refusal(response, file.path);
    // Refused for its own success, if an earlier attempt was given up and arrived.
    const kept = await this.read(file.path);
    if (!kept || !areEqualBytes(kept.bytes, file.bytes)) throw new TileConflict(`Another writer changed ${file.path}.`);
  }

  async remove(path: string): Promise<void> {
    const removed = await this.request('DELETE', path);
    await removed.body?.cancel();
    if (!removed.ok && removed.status !== NOT_FOUND) throw refusal(removed, path);
  }

  async removeFolder(path: string): Promise<void> {
    const prefix = `${this.place.prefix}${path}/`;
    for (;;) {
      const url = `${this.bucketUrl()}?list-type=2&max-keys=300&prefix=${encodeURIComponent(prefix)}`;
      const response = await this.send('GET', url);
      if (!response.ok) throw refusal(response, `the list of ${path}`);
      const list = new TextDecoder().decode(await readLimited(response));
      const keys = [...list.matchAll(/<Key>([\w./-]+)<\/Key>/g)].flatMap(([, key]) => (key === undefined ? [] : [key]));
      const own = keys.filter((key) => key.startsWith(prefix));
      if (own.length === 0) return;
      for (const key of own) {
        const removed = await this.request('DELETE', key.slice(this.place.prefix.length));
        if (!removed.ok && removed.status !== NOT_FOUND) throw refusal(removed, key);
      }
    }
  }

  private async createOne(file: StoredFile): Promise<void> {
    let response = await this.put(file, { 'If-None-Match': '*' });
    // Two writers of the same key at once: Amazon S3 asks the loser to try again.
    for (let i = 0; i < 3 && response.status === CONFLICT; i += 1) {
      response = await this.put(file, { 'If-None-Match': '*' });
    }
    if (response.ok) return;
    if (response.status !== PRECONDITION_FAILED) throw refusal(response, file.path);
    const kept = await this.read(file.path);
    if (!kept || !areEqualBytes(kept.bytes, file.bytes)) {
      throw new TileConflict(`${file.path} is there with other bytes.`);
    }
  }

  private async put({ path, bytes }: StoredFile, condition: Record<string, string>): Promise<Response> {
    const { contentType, cacheControl } = headersOf(path);
    const response = await this.request('PUT', path, bytes, {
      ...condition,
      'Content-Type': contentType,
      'Cache-Control': cacheControl,
    });
    await response.body?.cancel();
    return response;
  }

  private request(method: string, path: string, body?: Uint8Array, headers?: Record<string, string>) {
    return this.send(method, `${this.bucketUrl()}/${this.place.prefix}${path}`, body, headers);
  }

  private async send(method: string, url: string, body?: Uint8Array, headers: Record<string, string> = {}) {
    const digest = createHash('sha256')
      .update(body ?? new Uint8Array())
      .digest('hex');
    return this.client.fetch(url, {
      method,
      headers: { ...headers, 'X-Amz-Content-Sha256': digest },
      ...(body && { body: Uint8Array.from(body) }),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  }

  private bucketUrl(): string {
    return `${this.place.endpoint}/${this.place.bucket}`;
  }

  private unfit(why: string): UnfitStore {
    return new UnfitStore(
      `The store at S3_ENDPOINT ${this.place.endpoint} cannot hold a log: ${why}. Use one with conditional writes.`,
    );
  }
}

/** The store decides how much it sends; this decides how much is read. */
async function readLimited(response: Response, maxBytes = MAX_BYTES): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > maxBytes) throw new Error('The store sends more than any file of a log has.');
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

function refusal({ status }: Response, what: string): Error {
  return new Error(`The store answers ${status} for ${what}.`);
}

const NOT_FOUND = 404;
const CONFLICT = 409;
const PRECONDITION_FAILED = 412;
