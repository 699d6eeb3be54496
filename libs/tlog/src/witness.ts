import { areEqualBytes, BytesFault, concatBytes, encodeBase64, encodeUtf8, parseUtf8 } from '@margo-trust/bytes';
import { EMPTY_ROOT, MerkleFault, verifyConsistency, verifySubtreeConsistency, type Hash } from '@margo-trust/merkle';
import { parseCheckpoint, type Checkpoint } from './checkpoint.ts';
import type { Subtree } from './cosignature.ts';
import { TlogFault } from './fault.ts';
import { findDecimal, findHash } from './lines.ts';
import { encodeNote, parseNote, type Note, type NoteSignature } from './note.ts';
import type { VerifierKey } from './verifier-key.ts';
import { isOf, verifyNote, type VerifyMlDsa44 } from './verify-note.ts';

/** What a log asks of a witness (C2SP tlog-witness, "add-checkpoint"). */
export interface AddCheckpoint {
  /** Leaves of the newest tree that the witness has cosigned, as far as the log knows. */
  readonly oldSize: bigint;
  /** That the new tree begins with the old one; empty if `oldSize` is 0 or the trees are the same. */
  readonly path: readonly Hash[];
  /** The signed note, byte for byte. */
  readonly checkpoint: Uint8Array;
}

/** What anyone may ask of a witness that cosigned the checkpoint (C2SP tlog-witness, "sign-subtree"). */
export interface SignSubtree {
  readonly start: bigint;
  readonly end: bigint;
  readonly hash: Hash;
  readonly path: readonly Hash[];
  readonly checkpoint: Uint8Array;
}

/** The newest tree that a witness cosigned for a log. */
export interface WitnessedTree {
  readonly size: bigint;
  readonly root: Hash;
}

/** The body of an `add-checkpoint` request. */
export function encodeAddCheckpoint({ oldSize, path, checkpoint }: AddCheckpoint): Uint8Array {
  const lines = [`old ${oldSize}`, ...path.map((hash) => encodeBase64(hash))];
  return concatBytes(encodeUtf8(`${lines.join('\n')}\n\n`), checkpoint);
}

/** Reads the body of an `add-checkpoint` request: `tlog/bad-request`. The note in it is cut out, not read. */
export function parseAddCheckpoint(bytes: Uint8Array): AddCheckpoint {
  const { lines, checkpoint } = cutHead(bytes);
  const [first = '', ...rest] = lines;
  const oldSize = first.startsWith(OLD) ? findDecimal(first.slice(OLD.length)) : undefined;
  if (oldSize === undefined) throw badRequest('Expected a line with the old size.');
  return { oldSize, path: parsePath(rest), checkpoint };
}

/** The body of a `sign-subtree` request. */
export function encodeSignSubtree({ start, end, hash, path, checkpoint }: SignSubtree): Uint8Array {
  const lines = [`subtree ${start} ${end}`, ...[hash, ...path].map((each) => encodeBase64(each))];
  return concatBytes(encodeUtf8(`${lines.join('\n')}\n\n`), checkpoint);
}

/** Reads the body of a `sign-subtree` request: `tlog/bad-request`. The note in it is cut out, not read. */
export function parseSignSubtree(bytes: Uint8Array): SignSubtree {
  const { lines, checkpoint } = cutHead(bytes);
  const [range = '', hashText = '', ...rest] = lines;
  const [keyword, start, end, ...more] = range.split(' ').map((item, i) => (i === 0 ? item : findDecimal(item)));
  const hash = findHash(hashText);
  if (keyword !== 'subtree' || typeof start !== 'bigint' || typeof end !== 'bigint' || more.length > 0 || !hash) {
    throw badRequest('Expected a line with the range of the subtree and one with its hash.');
  }
  return { start, end, hash, path: parsePath(rest), checkpoint };
}

/** The log that a request is about. Nothing is verified: use it to look up the keys, and for nothing else. */
export function originOfRequest({ checkpoint }: { checkpoint: Uint8Array }): string {
  return readCheckpoint(checkpoint).origin;
}

/**
 * Decides whether a witness may cosign: returns the checkpoint, with the log's signatures that were verified and no others.
 *
 * `keys` are those trusted for the origin, `latest` what was cosigned last, `undefined` if nothing yet. The order is that
 * of the specification; the codes are its status codes: `tlog/bad-request` 400; no or a wrong signature of the log
 * (`tlog/unknown-signer`, `tlog/bad-signature`) 403; no `keys` (`tlog/unknown-log`) 404; `tlog/size-conflict` 409;
 * `tlog/not-consistent` 422, which may be the log's misbehaviour and is worth keeping.
 */
export function judgeCheckpoint(
  { oldSize, path, checkpoint: bytes }: AddCheckpoint,
  keys: readonly VerifierKey[],
  latest: WitnessedTree | undefined,
  verifyMlDsa44?: VerifyMlDsa44,
): { checkpoint: Checkpoint; note: Note } {
  const { note, ...checkpoint } = readCheckpoint(bytes);
  const signers = verifyLog(note, checkpoint, keys, verifyMlDsa44);
  if (oldSize > checkpoint.size) throw badRequest('The old size is above the size of the checkpoint.');
  if (oldSize !== (latest?.size ?? 0n)) {
    throw new TlogFault('tlog/size-conflict', `The newest tree cosigned has ${latest?.size ?? 0n} leaves.`);
  }
  refuseInconsistent(latest ?? { size: 0n, root: EMPTY_ROOT }, checkpoint, path);
  return { checkpoint, note: { text: note.text, signatures: signaturesOf(note, signers) } };
}

/**
 * Decides whether a witness may cosign a part of a tree it has cosigned; `keys` are its own.
 *
 * `tlog/bad-request` 400; the witness's own cosignature is not there (`tlog/unknown-signer`) or wrong
 * (`tlog/bad-signature`) 403; `tlog/not-consistent` 422. Whether the log is known (404) is the caller's to say.
 */
export function judgeSubtree(
  { start, end, hash, path, checkpoint: bytes }: SignSubtree,
  keys: readonly VerifierKey[],
  verifyMlDsa44?: VerifyMlDsa44,
): Subtree {
  const { note, origin, size, root } = readCheckpoint(bytes);
  if (end > size) throw badRequest('The subtree ends beyond the checkpoint.');
  verifyNote(note, keys, verifyMlDsa44);
  try {
    verifySubtreeConsistency(start, end, size, hash, root, path);
  } catch (cause) {
    if (!(cause instanceof MerkleFault)) throw cause;
    if (cause.code === 'merkle/bad-subtree') throw new TlogFault('tlog/bad-request', cause.message, { cause });
    throw notConsistent(cause);
  }
  return { origin, start, end, hash };
}

/** The body of a witness's answer: signature lines, each with its line feed. */
export function encodeSignatureLines(signatures: readonly NoteSignature[]): Uint8Array {
  const note = encodeNote({ text: '\n', signatures: [...signatures] });
  return note.slice(2); // the lines are what follows text and empty line
}

/** Reads a witness's answer; lines of keys that the caller does not know are for it to ignore. `tlog/bad-note`. */
export function parseSignatureLines(bytes: Uint8Array): NoteSignature[] {
  const note = parseNote(concatBytes(encodeUtf8('\n\n'), bytes));
  if (note.text !== '\n') throw new TlogFault('tlog/bad-note', 'Expected signature lines and nothing else.');
  return note.signatures;
}

/** The body of a 409 answer (`text/x.tlog.size`): the size of the newest tree that the witness has cosigned. */
export function encodeSizeAnswer(size: bigint): Uint8Array {
  return encodeUtf8(`${size}\n`);
}

/** Reads the body of a 409 answer: `tlog/bad-request` for anything else than a size and a line feed. */
export function parseSizeAnswer(bytes: Uint8Array): bigint {
  const text = bytes.length <= 21 ? String.fromCharCode(...bytes) : '';
  const size = text.endsWith('\n') ? findDecimal(text.slice(0, -1)) : undefined;
  if (size === undefined) throw badRequest('Expected a tree size.');
  return size;
}

function verifyLog(
  note: Note,
  { origin }: Checkpoint,
  keys: readonly VerifierKey[],
  verifyMlDsa44: VerifyMlDsa44 | undefined,
): VerifierKey[] {
  const own = keys.filter(({ name }) => name === origin);
  if (own.length === 0) throw new TlogFault('tlog/unknown-log', 'This log is not known here.');
  return verifyNote(note, own, verifyMlDsa44);
}

function refuseInconsistent(old: WitnessedTree, { size, root }: Checkpoint, path: readonly Hash[]): void {
  if (size === 0n && !areEqualBytes(root, EMPTY_ROOT)) throw notConsistent();
  if (old.size === 0n) {
    if (path.length > 0) throw notConsistent();
    return;
  }
  try {
    verifyConsistency(old.size, old.root, size, root, path);
  } catch (cause) {
    if (cause instanceof MerkleFault) throw notConsistent(cause);
    throw cause;
  }
}

/** The first signature of each key. */
function signaturesOf({ signatures }: Note, keys: readonly VerifierKey[]): NoteSignature[] {
  return keys.flatMap((key) => signatures.find((signature) => isOf(signature, key)) ?? []);
}

function readCheckpoint(bytes: Uint8Array): Checkpoint & { note: Note } {
  try {
    const note = parseNote(bytes);
    return { ...parseCheckpoint(note.text), note };
  } catch (cause) {
    if (cause instanceof TlogFault) throw new TlogFault('tlog/bad-request', cause.message, { cause });
    throw cause;
  }
}

/** The lines up to the first empty one, and the bytes behind it. */
function cutHead(bytes: Uint8Array): { lines: string[]; checkpoint: Uint8Array } {
  const end = bytes.subarray(0, MAX_HEAD_BYTES).findIndex((byte, i) => byte === LF && bytes[i + 1] === LF);
  if (end < 0) throw badRequest('Expected an empty line before the checkpoint.');
  try {
    return { lines: parseUtf8(bytes.subarray(0, end)).split('\n'), checkpoint: bytes.slice(end + 2) };
  } catch (error) {
    if (error instanceof BytesFault) throw badRequest('A request is text.');
    throw error;
  }
}

function parsePath(lines: readonly string[]): Hash[] {
  if (lines.length > MAX_PATH) throw badRequest(`A path has at most ${MAX_PATH} hashes.`);
  return lines.map((line) => {
    const hash = findHash(line);
    if (!hash) throw badRequest('Expected one hash a line.');
    return hash;
  });
}

function badRequest(message: string): TlogFault {
  return new TlogFault('tlog/bad-request', message);
}

function notConsistent(cause?: unknown): TlogFault {
  const message = 'The checkpoint is not shown to continue the tree that was cosigned before.';
  return new TlogFault('tlog/not-consistent', message, { cause });
}

const OLD = 'old ';
const LF = 0x0a;
/** C2SP tlog-witness: "The client MUST NOT send more than 63 consistency proof lines." */
const MAX_PATH = 63;
/** Range, hash and path; nothing longer is looked through. */
const MAX_HEAD_BYTES = 4096;
