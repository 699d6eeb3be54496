import { AuditorFault, verifyCheckpoint } from '@margo-trust/auditor';
import { parseJson, parseUtf8 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { parseNote, parseVerifierKey, type Checkpoint, type CheckpointKey, type VerifierKey } from '@margo-trust/tlog';
import { parseTrustRoot } from '@margo-trust/verifier';
import type { Command } from 'commander';
import { CliFault } from '../fault.ts';
import type { Session } from '../session.ts';
import { openTrustRoot } from '../trust-root.ts';
import { learnKeys } from './learn-keys.ts';
import { openLogFiles, type LogFiles } from './log-files.ts';

/** Where the log is, and what it is audited with. */
export interface AuditOptions {
  readonly from?: string;
  readonly logKey?: string;
  readonly trustFirstUse?: boolean;
  readonly root?: string;
}

/** A log and the keys that its checkpoints must be signed with. */
export interface AuditedLog {
  readonly files: LogFiles;
  /** The first one that is known; its name is the log's origin. */
  key: VerifierKey;
  /** All that are known, each with the tree sizes that it speaks for. */
  keys: readonly CheckpointKey[];
  /** Whether what the log proves about its keys has been looked at. */
  isLearned: boolean;
}

export interface SignedCheckpoint extends Checkpoint {
  readonly note: Uint8Array;
}

export function withAuditOptions(command: Command): Command {
  return command
    .option('--from <place>', 'address of a registry or its log, or the directory of a mirror; default: the registry')
    .option('--log-key <vkey>', 'the log’s key, <origin>+<hash>+<key>; default: the one in the trust root')
    .option('--root <file>', 'initial root; default: the one that the trust root began with')
    .option('--trust-first-use', 'take the key that the log itself names, for trying things out');
}

/** Opens a log to be audited. Its key is given, or comes from the trust root; never from the log unless that is wished. */
export async function openAuditedLog(session: Session, options: AuditOptions): Promise<AuditedLog> {
  const { plainHttp } = session;
  const files = await openLogFiles(options.from ?? (await session.logUrl()), { plainHttp });
  const pinned = await findKeys(session, files, options);
  const [only] = pinned;
  if (!only) throw new CliFault('cli/not-found', 'The trust root names no key of the log.', 'Give it: --log-key VKEY.');
  const log: AuditedLog = { files, key: only.key, keys: pinned, isLearned: pinned.length > 1 };
  if (!log.isLearned) {
    await learn(log).catch((error: unknown) => {
      if (!(error instanceof Fault)) throw error; // whoever looks at the log will say so
    });
  }
  return log;
}

/** A log whose key is known already, as from the record that opened it. */
export function withKey(files: LogFiles, key: VerifierKey): AuditedLog {
  return { files, key, keys: [always(key)], isLearned: false };
}

/** What the log says now, signed with its key. */
export async function loadCheckpoint(log: AuditedLog): Promise<SignedCheckpoint> {
  const { files } = log;
  if (!log.isLearned) await learn(log);
  const note = await files.load('checkpoint');
  if (!note) throw new CliFault('cli/not-found', `${files.name} has no checkpoint.`, 'Check the address or directory.');
  return { ...(await verifyOrLearn(log, note)), note };
}

/** A key that is not known may have come since the log was opened: what the log proves about that is learned. */
async function verifyOrLearn(log: AuditedLog, note: Uint8Array): Promise<Checkpoint> {
  try {
    return verifyCheckpoint(note, log.keys);
  } catch (error) {
    if (!(error instanceof AuditorFault) || error.code !== 'audit/other-log') throw error;
    await learn(log);
    return verifyCheckpoint(note, log.keys);
  }
}

/** One key may have been replaced since it was written down: what the log proves about that is learned. */
async function learn(log: AuditedLog): Promise<void> {
  const keys = await learnKeys(log.files, log.key);
  [log.keys, log.key, log.isLearned] = [keys, keys[0]?.key ?? log.key, true];
}

async function findKeys(session: Session, files: LogFiles, options: AuditOptions): Promise<readonly CheckpointKey[]> {
  if (options.logKey !== undefined) return [always(readKey(options.logKey))];
  if (options.trustFirstUse) return [always(await findKeyInLog(session, files))];
  const offline = options.from !== undefined;
  const { logs } = parseTrustRoot(await openTrustRoot(session, { offline, root: options.root }));
  const [only] = logs;
  const origin = logs.length === 1 ? only?.origin : await claimedOrigin(files);
  const log = logs.find((candidate) => candidate.origin === origin) ?? only;
  if (!log) throw new CliFault('cli/not-found', 'The trust root names no log.', 'Give its key: --log-key VKEY.');
  return log.checkpointHistory;
}

function always(key: VerifierKey): CheckpointKey {
  return { key, fromSize: 0n };
}

/** Whom the checkpoint says it is of, for choosing among keys that are trusted anyway. */
async function claimedOrigin(files: LogFiles): Promise<string | undefined> {
  const note = await files.load('checkpoint');
  return note && parseNote(note).text.split('\n', 1)[0];
}

async function findKeyInLog(session: Session, files: LogFiles): Promise<VerifierKey> {
  const bytes = await files.load('log.json');
  const description = bytes && (parseJson(bytes, { maxBytes: 1 << 20, maxDepth: 8 }) as Record<string, unknown> | null);
  const vkey = description?.['checkpointKey'];
  if (typeof vkey !== 'string') {
    throw new CliFault('cli/not-found', `${files.name} names no key.`, 'Give the log’s key: --log-key VKEY.');
  }
  session.printer.note(`Trusting the key that the log itself names, because you said so: ${vkey}`);
  return readKey(vkey);
}

function readKey(vkey: string): VerifierKey {
  try {
    return parseVerifierKey(vkey);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    const advice = 'Copy it as it stands: <origin>+<8 hexadecimal digits>+<base64>.';
    throw new CliFault('cli/bad-usage', `That is no key of a log: ${cause.message}`, advice, { cause });
  }
}

/** The note as text, for state files and people. */
export function noteText({ note }: SignedCheckpoint): string {
  return parseUtf8(note);
}
