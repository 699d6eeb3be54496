import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { encodeHex } from '@margo-trust/bytes';
import { readFileWithin, writeFileWhole } from '@margo-trust/client';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import {
  parseCheckpoint,
  parseNote,
  parseVerifierKey,
  TlogFault,
  verifyNote,
  type Checkpoint,
  type VerifierKey,
} from '@margo-trust/tlog';
import { CliFault } from '../fault.ts';
import { readTextInput, writeOutput, writeSecret } from '../files.ts';
import { makeCosigners, openCosigner, type Cosigner } from './cosigner.ts';

/**
 * All that a witness keeps, in one directory: `keys` (mode 0600), `logs` (a verifier key a line), and below `checkpoints/` the
 * newest checkpoint of each log that it has cosigned, with its cosignatures, in a file named by the SHA-256 of the origin.
 *
 * The directory is the truth: nothing is remembered beside it. A witness whose `checkpoints` are lost or put back to an older
 * copy may cosign a fork; a new name and new keys are the way out.
 */
export class WitnessDirectory {
  private logs: { readonly stamp: string; readonly keys: readonly VerifierKey[] } | undefined;

  private constructor(
    private readonly path: string,
    readonly cosigners: readonly Cosigner[],
  ) {}

  /** Makes the directory with new keys. Never touches existing keys: `cli/file-exists`. */
  static async create(path: string, name: string): Promise<WitnessDirectory> {
    const cosigners = makeCosigners(name);
    await mkdir(join(path, CHECKPOINTS), { recursive: true, mode: 0o700 });
    await writeSecret(join(path, KEYS), cosigners.map(({ secret }) => `${secret}\n`).join(''));
    await syncNames(path);
    await syncNames(dirname(resolve(path)));
    return new WitnessDirectory(path, cosigners);
  }

  static async open(path: string): Promise<WitnessDirectory> {
    const file = join(path, KEYS);
    const text = await readTextInput(file, 'key file', MAX_FILE_BYTES);
    if (((await stat(file)).mode & 0o077) !== 0) {
      throw new CliFault('cli/unreadable', `${file} is open to others.`, `Run: chmod 600 ${file}`);
    }
    const cosigners = linesOf(text).map((line) => openCosigner(line));
    if (cosigners.length === 0 || !cosigners.every((cosigner) => cosigner !== undefined)) {
      throw new CliFault('cli/unreadable', `${file} is damaged.`, 'Put it back from a copy.');
    }
    return new WitnessDirectory(path, cosigners);
  }

  /** The keys of all logs. A running witness sees a log that was added without being told. */
  async logKeys(): Promise<readonly VerifierKey[]> {
    const file = join(this.path, LOGS);
    const stats = await stat(file, { bigint: true }).catch(() => undefined);
    const stamp = `${stats?.ino} ${stats?.size} ${stats?.mtimeNs}`;
    if (this.logs?.stamp === stamp) return this.logs.keys;
    const text = stats ? await readTextInput(file, 'list of logs', MAX_FILE_BYTES) : '';
    this.logs = { stamp, keys: linesOf(text).map(parseVerifierKey) };
    return this.logs.keys;
  }

  /** Adds a key; a log may have several. Adding one again changes nothing. */
  async addLog(vkey: string): Promise<VerifierKey> {
    const key = parseVerifierKey(vkey);
    const file = join(this.path, LOGS);
    const stats = await stat(file).catch(() => undefined);
    const lines = stats ? linesOf(await readTextInput(file, 'list of logs', MAX_FILE_BYTES)) : [];
    if (!lines.includes(vkey)) await writeOutput(file, [...lines, vkey].map((line) => `${line}\n`).join(''));
    await syncNames(this.path);
    return key;
  }

  /**
   * The newest checkpoint cosigned for the origin. One that this witness's own keys did not sign, and that not for this origin,
   * is damaged: `cli/unreadable`, and nothing more is cosigned for this log.
   */
  async find(origin: string): Promise<Checkpoint | undefined> {
    const note = await this.read(nameOf(origin));
    if (!note) return undefined;
    try {
      const parsed = parseNote(note);
      const keys = this.cosigners.map(({ key }) => key);
      const checkpoint = parseCheckpoint(parsed.text);
      if (verifyNote(parsed, keys, verifyMlDsa44).length === keys.length && checkpoint.origin === origin)
        return checkpoint;
    } catch (error) {
      if (!(error instanceof TlogFault)) throw error;
    }
    const file = join(this.path, CHECKPOINTS, nameOf(origin));
    throw new CliFault('cli/unreadable', `${file} is damaged.`, 'Find out why before this witness cosigns again.');
  }

  /** The stored note of a name as {@link nameOf} makes it. */
  async read(name: string): Promise<Uint8Array | undefined> {
    return readFileWithin(join(this.path, CHECKPOINTS, name), MAX_FILE_BYTES);
  }

  /** Returns when the checkpoint has replaced the former one for good: after a crash there is this one, whole. */
  async keep(origin: string, note: Uint8Array): Promise<void> {
    const directory = join(this.path, CHECKPOINTS);
    await writeFileWhole(join(directory, nameOf(origin)), note);
    await syncNames(directory);
  }

  /**
   * Takes the directory for this process alone, until `close`; `cli/in-use` when another one has it.
   *
   * The lock is a socket: it is free when nobody listens, which also a crash or a kill leaves behind.
   */
  async lock(): Promise<{ close(): Promise<void> }> {
    const path = join(this.path, LOCK);
    for (let attempt = 0; attempt < 5; attempt++) {
      const server = await listen(path);
      if (server) return { close: () => closeLock(server) };
      if (await isAlive(path)) break;
      // Nobody listens. Move the socket away first: what was moved must be what was found dead.
      const aside = `${path}.${process.pid}`;
      await rename(path, aside).catch(() => undefined);
      if (await isAlive(aside)) await rename(aside, path);
      else await rm(aside, { force: true });
    }
    throw new CliFault(
      'cli/in-use',
      `Another witness runs on ${this.path}.`,
      'Stop it first, or use another directory.',
    );
  }

  /** Removes what a crash in the middle of a write left. Only for who holds the lock. */
  async tidy(): Promise<void> {
    const directory = join(this.path, CHECKPOINTS);
    const leftovers = (await readdir(directory)).filter((name) => !NAME.test(name));
    await Promise.all(leftovers.map((name) => rm(join(directory, name), { force: true })));
  }
}

/** C2SP tlog-witness: "The origin hash is the SHA-256 hash of the log's origin, hex encoded, in lowercase." */
export function nameOf(origin: string): string {
  return encodeHex(createHash('sha256').update(origin).digest());
}

/** What {@link nameOf} makes. */
export const NAME = /^[0-9a-f]{64}$/;

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

/** Makes the names in a directory durable. */
async function syncNames(path: string): Promise<void> {
  const directory = await open(path);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function listen(path: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  server.listen(path);
  try {
    await once(server, 'listening');
    return server;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE') return undefined;
    throw new CliFault('cli/unwritable', `${path} can’t be made.`, 'Check the directory; its path must be short.', {
      cause,
    });
  }
}

async function isAlive(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function closeLock(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}

const KEYS = 'keys';
const LOGS = 'logs';
const LOCK = 'lock';
const CHECKPOINTS = 'checkpoints';
const MAX_FILE_BYTES = 1 << 20;
