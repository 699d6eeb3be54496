import { areEqualBytes, BytesFault, concatBytes, encodeBase64, encodeUtf8, parseUtf8 } from '@margo-trust/bytes';
import { MerkleFault, rootFromInclusion, type Hash } from '@margo-trust/merkle';
import { parseCheckpoint, type Checkpoint } from './checkpoint.ts';
import { TlogFault } from './fault.ts';
import { findBase64, findDecimal, findHash } from './lines.ts';
import { parseNote } from './note.ts';
import type { VerifierKey } from './verifier-key.ts';
import { verifyNote } from './verify-note.ts';

/** That a log holds an entry, for anyone to check offline (C2SP tlog-proof). */
export interface TlogProof {
  /** For the application, and not authenticated. */
  extra?: Uint8Array;
  /** Leaf index from zero. */
  index: bigint;
  /** From the leaf's sibling upwards. */
  path: Hash[];
  /** The signed note, byte for byte. */
  checkpoint: Uint8Array;
}

/** What a proof shows once its checkpoint and path are verified. */
export interface LoggedEntry {
  checkpoint: Checkpoint;
  index: bigint;
  /** Those of the witnesses asked for that cosigned; whether they are enough is the caller's policy. */
  cosigners: VerifierKey[];
}

/**
 * Checks that the log of `logKey` holds the leaf hash, which the caller computed from what it knows.
 *
 * The checkpoint's origin must be the name of `logKey`. A wrong signature of the log or of one of `witnesses`
 * refuses the proof; a missing one of a witness doesn't.
 */
export function verifyTlogProof(
  proof: Uint8Array,
  leafHash: Hash,
  logKey: VerifierKey,
  witnesses: readonly VerifierKey[] = [],
): LoggedEntry {
  const { index, path, checkpoint: noteBytes } = parseTlogProof(proof);
  const note = parseNote(noteBytes);
  const signers = verifyNote(note, [logKey, ...witnesses]);
  if (!signers.includes(logKey)) throw new TlogFault('tlog/unknown-signer', 'The log did not sign the checkpoint.');

  const checkpoint = parseCheckpoint(note.text);
  if (checkpoint.origin !== logKey.name) {
    throw new TlogFault('tlog/origin-mismatch', 'The checkpoint is of another log than the key.');
  }
  if (!areEqualBytes(claimedRoot(leafHash, index, checkpoint.size, path), checkpoint.root)) {
    throw new TlogFault('tlog/bad-proof', "The path doesn't lead to the signed tree root.");
  }
  return { checkpoint, index, cosigners: signers.filter((key) => key !== logKey) };
}

/** The bytes of a `.tlog-proof` file. */
export function encodeTlogProof({ extra, index, path, checkpoint }: TlogProof): Uint8Array {
  const lines = [
    HEADER,
    ...(extra ? [`${EXTRA}${encodeBase64(extra)}`] : []),
    `${INDEX}${index}`,
    ...path.map((hash) => encodeBase64(hash)),
  ];
  return concatBytes(encodeUtf8(`${lines.join('\n')}\n\n`), checkpoint);
}

/** Reads a `.tlog-proof` file. The note in it is cut out, not read. */
export function parseTlogProof(bytes: Uint8Array): TlogProof {
  const end = bytes.findIndex((byte, i) => byte === LF && bytes[i + 1] === LF);
  if (end < 0 || end > MAX_HEAD_BYTES) throw refused('Expected an empty line between path and checkpoint.');
  const [header, ...lines] = parseText(bytes.subarray(0, end)).split('\n');
  if (header !== HEADER) throw refused('Not a proof of version 1.');

  const extraText = lines[0]?.startsWith(EXTRA) ? lines.shift()?.slice(EXTRA.length) : undefined;
  const extra = extraText === undefined ? undefined : findBase64(extraText);
  if (extraText !== undefined && !extra) throw refused('The extra data is not base64.');

  const indexText = lines.shift();
  const index = indexText?.startsWith(INDEX) ? findDecimal(indexText.slice(INDEX.length)) : undefined;
  if (index === undefined) throw refused('Expected the leaf index.');

  if (lines.length > MAX_PATH) throw refused(`A path has at most ${MAX_PATH} hashes.`);
  const path = lines.map((line) => {
    const hash = findHash(line);
    if (!hash) throw refused('Expected one hash a line.');
    return hash;
  });
  return { ...(extra ? { extra } : {}), index, path, checkpoint: bytes.slice(end + 2) };
}

function claimedRoot(leafHash: Hash, index: bigint, size: bigint, path: readonly Hash[]): Hash {
  try {
    return rootFromInclusion(leafHash, index, size, path);
  } catch (error) {
    if (error instanceof MerkleFault) throw new TlogFault('tlog/bad-proof', error.message, { cause: error });
    throw error;
  }
}

function parseText(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch (error) {
    if (error instanceof BytesFault) throw refused('A proof is text.');
    throw error;
  }
}

function refused(message: string): TlogFault {
  return new TlogFault('tlog/bad-proof', message);
}

const HEADER = 'c2sp.org/tlog-proof@v1';
const EXTRA = 'extra ';
const INDEX = 'index ';
const LF = 0x0a;
const MAX_HEAD_BYTES = 1 << 20;
/** Trees have fewer than 2^64 leaves. */
const MAX_PATH = 64;
