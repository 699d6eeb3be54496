import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { encodeBase64Url, encodeUtf8, parseBase64Url } from '@margo-trust/bytes';
import { encodeCbor } from '@margo-trust/cbor';
import { coseKeyThumbprint, encodeCoseKey } from '@margo-trust/cose';
import { parsePublicKey, type PublicKey } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { encodeSignedRoot } from '@margo-trust/receipt';
import { MAX_REQUEST_BYTES } from '@margo-trust/sigstore';
import { parseTilePath, TlogFault } from '@margo-trust/tlog';
import { DEFAULT_MAX_BYTES, readBody } from '../http/body.ts';
import { fresh, IMMUTABLE } from '../http/published-files.store.ts';
import { makeReply, type Reply } from '../http/reply.ts';
import { IssueReceipt } from './issue-receipt.ts';
import { LogFault } from './log.fault.ts';
import { describeLog } from './log-description.ts';
import { LogKeyStore } from './keys/log-key.store.ts';
import { LogKeys } from './keys/log-keys.ts';
import { LogIdentity } from './log-identity.ts';
import { LogLife } from './log-life.ts';
import { LogReader, type EntryRecord } from './log.reader.ts';
import { LogStore } from './log.store.ts';
import { RunningLogs } from './running-logs.ts';
import { PublishedCheckpoint } from './witnessing/published-checkpoint.ts';
import { RegisterHashedRekord } from './admission/register-hashed-rekord.ts';
import { RegisterStatement } from './admission/register-statement.ts';
import { WithholdingReader } from './withholding/withholding.reader.ts';

const COSE = 'application/cose';
const TEXT = 'text/plain; charset=utf-8';
const CBOR = 'application/cbor';
const JSON_TEXT = 'application/json; charset=utf-8';
const CACHED_TILES = 1024; // × 8 kB; the bytes are mostly those that the reader keeps

/**
 * What the log's public paths answer. The controllers and the dispatcher in front of the framework both send what is made
 * here, so it cannot matter which of them a request meets.
 */
@Injectable()
export class LogReplies {
  private readonly tiles = new Map<string, Reply>();
  private shown: { reply: Reply; at: number } | undefined;
  private coming: { moves: number; reply: Promise<Reply> } | undefined;
  private headMoves = 0;
  private shownKeys: { readonly keys: NamedKey[]; readonly at: number } | undefined;

  constructor(
    private readonly registration: RegisterStatement,
    private readonly rekords: RegisterHashedRekord,
    private readonly receipts: IssueReceipt,
    private readonly reader: LogReader,
    private readonly published: PublishedCheckpoint,
    private readonly identity: LogIdentity,
    private readonly logKeys: LogKeys,
    private readonly keyStore: LogKeyStore,
    private readonly withholdings: WithholdingReader,
    private readonly life: LogLife,
    private readonly logs: RunningLogs,
    store: LogStore,
  ) {
    store.onHeadMoved(() => {
      this.shown = undefined;
      this.headMoves += 1;
    });
  }

  /** Reads a statement from the request and answers when it is in the log that takes statements, with its receipt. */
  async register(request: IncomingMessage): Promise<Reply> {
    const statement = await readBody(request, { mediaTypes: [COSE], maxBytes: DEFAULT_MAX_BYTES });
    const { receipt, entryId } = await this.logs.inCurrent((log) => {
      const registration = log?.app.get(RegisterStatement) ?? this.registration;
      return registration.run(statement);
    });
    return makeReply(COSE, receipt, { status: 201, location: `/entries/${entryId}` });
  }

  /** The same at the door of Sigstore's tools: answers with the `TransparencyLogEntry`. */
  async registerHashedRekord(request: IncomingMessage): Promise<Reply> {
    const body = await readBody(request, { mediaTypes: ['application/json'], maxBytes: MAX_REQUEST_BYTES });
    const entry = await this.logs.inCurrent((log) => {
      const rekords = log?.app.get(RegisterHashedRekord) ?? this.rekords;
      return rekords.run(body);
    });
    return makeReply(JSON_TEXT, encodeUtf8(JSON.stringify(entry)), { status: 201 });
  }

  async receipt(entryId: string): Promise<Reply> {
    const receipt = await this.receipts.forEntry(readEntryId(entryId));
    if (!receipt) throw noSuchEntry();
    return makeReply(COSE, receipt, { location: `/entries/${entryId}` });
  }

  async statement(entryId: string): Promise<Reply> {
    const record = await this.load(entryId);
    if (record.raw) return makeReply(JSON_TEXT, record.raw);
    const stored = await this.reader.findStatement(record.entry);
    if (!stored) throw await this.withholdings.explain(record.entry);
    return makeReply(COSE, stored.body);
  }

  async transparentStatement(entryId: string): Promise<Reply> {
    return makeReply(COSE, await this.receipts.transparentStatement(await this.load(entryId)));
  }

  async proof(entryId: string): Promise<Reply> {
    return makeReply(TEXT, await this.receipts.tlogProof(await this.load(entryId)));
  }

  /**
   * At most a second old, and never older than what this process has committed; unless the database does not answer, when the
   * last one that was signed must do ({@link PublishedCheckpoint}).
   */
  checkpoint(): Reply | Promise<Reply> {
    const { shown } = this;
    if (shown && performance.now() - shown.at < CHECKPOINT_SECONDS * 1_000) return shown.reply;
    // A crowd shares one load, unless the head has moved since it began.
    if (this.coming?.moves === this.headMoves) return this.coming.reply;
    const coming = { moves: this.headMoves, reply: this.loadCheckpoint() };
    this.coming = coming;
    const forget = (): void => {
      if (this.coming === coming) this.coming = undefined;
    };
    coming.reply.then(forget, forget);
    return coming.reply;
  }

  /** The published checkpoint as COSE: what all receipts of its size have in common, with the tree root as payload. */
  async signedRoot(): Promise<Reply> {
    const bytes = encodeSignedRoot(await this.receipts.publishedHead());
    return makeReply(COSE, bytes, { cacheControl: fresh(CHECKPOINT_SECONDS), etag: true });
  }

  /** A receipt of consistency between two sizes that the log has had. */
  async consistency(from: bigint, to: bigint | undefined): Promise<Reply> {
    const { receipt, isFinal } = await this.receipts.consistency(from, to);
    return makeReply(COSE, receipt, { cacheControl: isFinal ? IMMUTABLE : fresh(CHECKPOINT_SECONDS) });
  }

  async description(): Promise<Reply> {
    await this.logKeys.fresh();
    return makeReply(JSON_TEXT, encodeUtf8(describeLog(this.identity, await this.life.find())), {
      cacheControl: fresh(60),
    });
  }

  /** `path` as in C2SP tlog-tiles: `tile/0/x001/000.p/7`. It comes from the caller. */
  tile(path: string): Reply | Promise<Reply> {
    return this.tiles.get(path) ?? this.loadTile(path);
  }

  /** Every key that receipts and the registry's own statements verify with or once did, as a COSE_KeySet. */
  async keys(): Promise<Reply> {
    const keys = await this.publicKeys();
    return makeReply(CBOR, encodeCbor(keys.map(toCoseKey)), { cacheControl: fresh(60) });
  }

  /** A kid is a thumbprint, never URI-safe text, so base64url is its only spelling here. */
  async key(kid: string): Promise<Reply> {
    const keys = await this.publicKeys();
    const key = keys.find((candidate) => encodeBase64Url(candidate.kid) === kid);
    if (!key) throw new LogFault('log/no-such-key', 'No such key');
    return makeReply(CBOR, encodeCbor(toCoseKey(key)));
  }

  private async loadCheckpoint(): Promise<Reply> {
    const [at, moves] = [performance.now(), this.headMoves];
    const { note } = await this.published.load();
    const reply = makeReply(TEXT, note, { cacheControl: fresh(CHECKPOINT_SECONDS), etag: true });
    if (this.headMoves === moves) this.shown = { reply, at };
    return reply;
  }

  /** Tiles and bundles never change, nor do partial ones: each has its width in its name. */
  private async loadTile(path: string): Promise<Reply> {
    const ref = readTilePath(path);
    const bytes =
      'bundle' in ref ? await this.reader.findBundle(ref.index, ref.width) : await this.reader.findTile(ref);
    if (!bytes) throw noSuchTile();
    const reply = makeReply('application/octet-stream', bytes, { cacheControl: IMMUTABLE, etag: true });
    if (this.tiles.size >= CACHED_TILES) this.tiles.delete(this.tiles.keys().next().value ?? '');
    this.tiles.set(path, reply);
    return reply;
  }

  private async load(entryId: string): Promise<EntryRecord> {
    const record = await this.reader.findByEntry(readEntryId(entryId));
    if (!record) throw noSuchEntry();
    return record;
  }

  /** Of every log, newest first; none is named twice. */
  private async publicKeys(): Promise<NamedKey[]> {
    const { shownKeys } = this;
    if (shownKeys && performance.now() - shownKeys.at < KEYS_SECONDS * 1_000) return shownKeys.keys;
    const at = performance.now();
    const keys = new Map<string, NamedKey>();
    for (const { spki } of (await this.keyStore.findAll(['receipt', 'record'])).reverse()) {
      const key = parsePublicKey(spki);
      const kid = coseKeyThumbprint(key);
      keys.set(encodeBase64Url(kid), { key, kid });
    }
    this.shownKeys = { keys: [...keys.values()], at };
    return this.shownKeys.keys;
  }
}

/** A malformed id names no entry: the caller gets what a missing one gets. */
function readEntryId(entryId: string): Uint8Array {
  try {
    const entry = parseBase64Url(entryId);
    if (entry.length === 32) return entry;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
  throw noSuchEntry();
}

function readTilePath(path: string): ReturnType<typeof parseTilePath> {
  try {
    return parseTilePath(path);
  } catch (error) {
    if (error instanceof TlogFault) throw noSuchTile();
    throw error;
  }
}

function toCoseKey({ key, kid }: NamedKey) {
  return encodeCoseKey(key, kid);
}

interface NamedKey {
  readonly key: PublicKey;
  readonly kid: Uint8Array;
}

function noSuchEntry(): LogFault {
  return new LogFault('log/no-such-entry', 'The log holds no such entry.');
}

function noSuchTile(): LogFault {
  return new LogFault('log/no-such-tile', 'The log has no such tile.');
}

const CHECKPOINT_SECONDS = 1;
const KEYS_SECONDS = 1;
