import { BytesFault, concatBytes, encodeBase64, encodeUtf8, parseUtf8 } from '@margo-trust/bytes';
import { TlogFault } from './fault.ts';
import { findBase64 } from './lines.ts';

/** Text with signatures (C2SP signed-note). */
export interface Note {
  /** Ends with a line feed. This, as UTF-8, is what was signed. */
  text: string;
  signatures: NoteSignature[];
}

/** A claim, until {@link verifyNote} looked at it. */
export interface NoteSignature {
  name: string;
  /** 4 bytes. With the name it identifies key and algorithm, but anyone can make another key with the same hash. */
  keyHash: Uint8Array;
  /** Whatever the algorithm puts here; for cosignatures 8 bytes of time come first. */
  signature: Uint8Array;
}

/**
 * Reads a signed note: at most 1 MiB and 100 signatures, valid UTF-8 without control characters.
 *
 * Nothing in it may be trusted or shown before {@link verifyNote} returned.
 */
export function parseNote(bytes: Uint8Array): Note {
  if (bytes.length > MAX_NOTE_BYTES) throw refused(`A note has at most ${MAX_NOTE_BYTES} bytes.`);
  const whole = parseText(bytes);
  const end = whole.lastIndexOf('\n\n'); // the text itself may contain empty lines
  if (end < 0) throw refused('Expected an empty line between text and signatures.');
  const [text, tail] = [whole.slice(0, end + 1), whole.slice(end + 2)];
  const lines = tail.split('\n');
  if (lines.pop() !== '' || lines.length === 0) throw refused('Expected signature lines, each with a line feed.');
  if (lines.length > MAX_SIGNATURES) throw refused(`A note has at most ${MAX_SIGNATURES} signatures.`);
  return { text, signatures: lines.map(parseSignatureLine) };
}

/** The bytes of a note, signatures in the order given. */
export function encodeNote({ text, signatures }: Note): Uint8Array {
  if (!text.endsWith('\n') || hasControlCharacter(text)) throw refused('The text is not expressible as a note.');
  const lines = signatures.map(({ name, keyHash, signature }) => {
    if (!isKeyName(name) || keyHash.length !== KEY_HASH_BYTES) throw refused('Bad key name or key hash.');
    return `${DASH}${name} ${encodeBase64(concatBytes(keyHash, signature))}\n`;
  });
  return encodeUtf8(`${text}\n${lines.join('')}`);
}

/** A key name is not empty and has neither spaces nor plus signs (C2SP signed-note, "Format"). */
export function isKeyName(name: string): boolean {
  return name !== '' && !/[\p{White_Space}+]/u.test(name) && !hasControlCharacter(name);
}

export const KEY_HASH_BYTES = 4;

function parseSignatureLine(line: string): NoteSignature {
  const [name, base64, ...rest] = line.startsWith(DASH) ? line.slice(DASH.length).split(' ') : [];
  const blob = base64 === undefined ? undefined : findBase64(base64);
  if (name === undefined || !isKeyName(name) || !blob || blob.length <= KEY_HASH_BYTES || rest.length > 0) {
    throw refused('Malformed signature line.');
  }
  return { name, keyHash: blob.slice(0, KEY_HASH_BYTES), signature: blob.slice(KEY_HASH_BYTES) };
}

function parseText(bytes: Uint8Array): string {
  let text: string;
  try {
    text = parseUtf8(bytes);
  } catch (error) {
    if (error instanceof BytesFault) throw refused('A note is UTF-8 text.');
    throw error;
  }
  if (hasControlCharacter(text)) throw refused('A note has no control characters but line feeds.');
  return text;
}

function hasControlCharacter(text: string): boolean {
  // eslint-disable-next-line no-control-regex -- these are the characters the format forbids
  return /[\u0000-\u0009\u000b-\u001f]/.test(text);
}

function refused(message: string): TlogFault {
  return new TlogFault('tlog/bad-note', message);
}

const DASH = '\u2014 ';
const MAX_NOTE_BYTES = 1 << 20;
const MAX_SIGNATURES = 100;
