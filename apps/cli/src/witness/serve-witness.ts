import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import {
  encodeNote,
  encodeSignatureLines,
  encodeSizeAnswer,
  judgeCheckpoint,
  judgeSubtree,
  originOfRequest,
  parseAddCheckpoint,
  parseSignSubtree,
  TlogFault,
  type AddCheckpoint,
} from '@margo-trust/tlog';
import { NAME, type WitnessDirectory } from './witness-directory.ts';

export interface WitnessServerOptions {
  readonly directory: WitnessDirectory;
  now(): Date;
  /** Told of everything but success: what an operator should look at. */
  report(line: string): void;
  /** For tests: runs between the moment a checkpoint is durable and the answer. */
  afterKeep?(): Promise<void> | void;
}

interface Answer {
  readonly status: number;
  readonly body: Uint8Array | string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * A witness (C2SP tlog-witness) as an HTTP server that does not listen yet: `POST /add-checkpoint`, `POST /sign-subtree`,
 * `GET /<origin hash>/checkpoint`, and `GET /` for people.
 *
 * A cosignature leaves only when the checkpoint under it is durable; requests about one log are taken one after the other,
 * so that between comparing and keeping nothing else happens.
 */
export function createWitnessServer(options: WitnessServerOptions): Server {
  const witness = new Witness(options);
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 65_000, maxHeaderSize: 8_192 },
    (request, response) => void respond(witness, request, response, options),
  );
  server.maxConnections = 256;
  return server;
}

class Witness {
  private readonly queues = new Map<string, Promise<unknown>>();
  private readonly options: WitnessServerOptions;

  constructor(options: WitnessServerOptions) {
    this.options = options;
  }

  async addCheckpoint(body: Uint8Array): Promise<Answer> {
    const request = parseAddCheckpoint(body);
    const origin = originOfRequest(request);
    await this.requireLog(origin);
    return this.inTurn(origin, () => this.compareAndKeep(origin, request));
  }

  async signSubtree(body: Uint8Array): Promise<Answer> {
    const request = parseSignSubtree(body);
    await this.requireLog(originOfRequest(request));
    const { cosigners } = this.options.directory;
    const subtree = judgeSubtree(
      request,
      cosigners.map(({ key }) => key),
      verifyMlDsa44,
    );
    const signatures = cosigners.flatMap((cosigner) => cosigner.cosignSubtree(subtree) ?? []);
    if (signatures.length === 0) return { status: 404, body: 'This witness has no key that signs subtrees.\n' };
    return { status: 200, body: encodeSignatureLines(signatures) };
  }

  async checkpoint(name: string): Promise<Answer> {
    const body = await this.options.directory.read(name);
    if (!body) return { status: 404, body: 'No checkpoint of such a log was cosigned here.\n' };
    return { status: 200, body, headers: { 'Cache-Control': 'public, max-age=5', 'Access-Control-Allow-Origin': '*' } };
  }

  greeting(): Answer {
    const vkeys = this.options.directory.cosigners.map(({ vkey }) => `${vkey}\n`);
    return { status: 200, body: `A witness of transparency logs (c2sp.org/tlog-witness).\n${vkeys.join('')}` };
  }

  private async compareAndKeep(origin: string, request: AddCheckpoint): Promise<Answer> {
    const { directory, now, afterKeep } = this.options;
    const [latest, keys] = await Promise.all([directory.find(origin), directory.logKeys()]);
    try {
      const { checkpoint, note } = judgeCheckpoint(request, keys, latest, verifyMlDsa44);
      const seconds = BigInt(Math.floor(now().getTime() / 1000));
      const cosignatures = directory.cosigners.map((cosigner) => cosigner.cosign(checkpoint, seconds));
      await directory.keep(origin, encodeNote({ ...note, signatures: [...note.signatures, ...cosignatures] }));
      await afterKeep?.();
      return { status: 200, body: encodeSignatureLines(cosignatures) };
    } catch (error) {
      if (!(error instanceof TlogFault) || error.code !== 'tlog/size-conflict') throw error;
      return { status: 409, body: encodeSizeAnswer(latest?.size ?? 0n), type: 'text/x.tlog.size' };
    }
  }

  private async requireLog(origin: string): Promise<void> {
    const keys = await this.options.directory.logKeys();
    if (keys.some(({ name }) => name === origin)) return;
    throw new TlogFault('tlog/unknown-log', 'This log is not known here.');
  }

  private inTurn<T>(origin: string, work: () => Promise<T>): Promise<T> {
    const done = (this.queues.get(origin) ?? Promise.resolve()).then(work, work);
    this.queues.set(origin, done);
    const forget = () => {
      if (this.queues.get(origin) === done) this.queues.delete(origin);
    };
    done.then(forget, forget);
    return done;
  }
}

async function respond(
  witness: Witness,
  request: IncomingMessage,
  response: ServerResponse,
  { report }: WitnessServerOptions,
): Promise<void> {
  const answer = await answerTo(witness, request).catch((error: unknown) => failure(error, report));
  const body = Buffer.from(answer.body);
  if (!request.complete) response.shouldKeepAlive = false; // the rest of a body that was not read would be taken for a request
  response.writeHead(answer.status, {
    'Content-Type': answer.type ?? 'text/plain; charset=utf-8',
    'Content-Length': body.length,
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    ...answer.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function answerTo(witness: Witness, request: IncomingMessage): Promise<Answer> {
  const path = request.url?.split('?', 1)[0] ?? '';
  const [, name, file, ...rest] = path.split('/');
  const reads = path === '/' || (name !== undefined && NAME.test(name) && file === 'checkpoint' && rest.length === 0);
  const writes = path === '/add-checkpoint' || path === '/sign-subtree';
  if (!reads && !writes) return { status: 404, body: 'There is nothing here.\n' };
  const allowed = reads ? ['GET', 'HEAD'] : ['POST'];
  if (!allowed.includes(request.method ?? '')) {
    return { status: 405, body: `Only ${allowed.join(', ')}.\n`, headers: { Allow: allowed.join(', ') } };
  }
  if (reads) return path === '/' ? witness.greeting() : witness.checkpoint(name ?? '');
  const body = await readBody(request);
  if (!body) return { status: 413, body: `At most ${MAX_BODY_BYTES} bytes.\n` };
  return path === '/add-checkpoint' ? witness.addCheckpoint(body) : witness.signSubtree(body);
}

/** What a fault of the request is to HTTP, as C2SP tlog-witness says; anything else is a defect, or a disk that is full. */
function failure(error: unknown, report: (line: string) => void): Answer {
  const status = error instanceof TlogFault ? STATUS[error.code] : undefined;
  if (!(error instanceof Error) || status === undefined) {
    report(`a request failed: ${error instanceof Error ? error.message : String(error)}`);
    return { status: 500, body: 'The witness cannot answer now.\n' };
  }
  if (status === 422) report(`refused to cosign: ${error.message}`);
  return { status, body: `${error.message}\n` };
}

/** Undefined when it is too long. */
async function readBody(request: IncomingMessage): Promise<Uint8Array | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

const STATUS: Readonly<Partial<Record<TlogFault['code'], number>>> = {
  'tlog/bad-request': 400,
  'tlog/bad-subtree': 400,
  'tlog/bad-signature': 403,
  'tlog/unknown-signer': 403,
  'tlog/unknown-log': 404,
  'tlog/not-consistent': 422,
};
/** A checkpoint with a hundred ML-DSA-44 signatures has 330 kB. */
const MAX_BODY_BYTES = 512 << 10;
