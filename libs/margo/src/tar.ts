import { concatBytes, encodeUtf8, parseUtf8 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { MargoFault } from './fault.ts';

export interface TarFile {
  readonly path: string;
  readonly content: Uint8Array;
  /** Permission bits; default 0644. */
  readonly mode?: number;
}

export interface TarEntry {
  /** As written, without a trailing slash. It comes from the archive: not yet safe to write to. */
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'link' | 'other';
  readonly mode: number;
  /** Of links. */
  readonly linkTarget?: string;
  /** Of files; a view of the archive's bytes. */
  readonly content: Uint8Array;
}

/**
 * A POSIX ustar archive of the files, in the order given. The same files give the same bytes everywhere: no time (the
 * epoch), no owner. Paths have at most 100 bytes, and directories are left for the reader to imply.
 */
export function encodeTar(files: readonly TarFile[]): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (const { path, content, mode } of files) {
    blocks.push(encodeHeader(path, content.length, mode ?? 0o644), content, new Uint8Array(-content.length & 511));
  }
  return concatBytes(...blocks, new Uint8Array(1024));
}

function encodeHeader(path: string, size: number, mode: number): Uint8Array {
  const name = encodeUtf8(path);
  if (name.length > 100) throw new Error(`The path ${path} does not fit a ustar header.`);
  const header = new Uint8Array(512);
  header.set(name, 0);
  header.set(
    encodeUtf8(`${octal(mode, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0${octal(size, 11)}\0${octal(0, 11)}\0`),
    100,
  );
  header.set(encodeUtf8('        0'), 148); // the checksum counts as spaces while it is summed; '0' is a file
  header.set(encodeUtf8('ustar\x0000'), 257);
  header.set(encodeUtf8(`${octal(checksum(header), 6)}\0 `), 148);
  return header;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

/**
 * The entries of a tar archive (POSIX ustar and pax, and GNU's long names) from a source that may be hostile.
 *
 * At most 10,000 entries, paths of at most 4,096 characters. Sparse files and multi-volume archives are refused. Paths and links are reported as they
 * are: whoever extracts must check them, as {@link parseComposeArchive} does.
 */
export function parseTar(tar: Uint8Array): TarEntry[] {
  const entries: TarEntry[] = [];
  let overrides: Overrides = {};
  for (let offset = 0, headers = 0; offset + 512 <= tar.length;) {
    const header = tar.subarray(offset, offset + 512);
    if (header.every((byte) => byte === 0)) break;
    if (++headers > MAX_ENTRIES) throw new MargoFault('margo/bad-archive', 'The archive has too many entries.');
    if (readOctal(header, 148, 8) !== checksum(header)) throw badArchive('a header does not match its checksum');

    const type = String.fromCharCode(header[156] ?? 0);
    const isExtension = 'xgLK'.includes(type);
    const size = (isExtension ? undefined : overrides.size) ?? readOctal(header, 124, 12);
    const content = tar.subarray(offset + 512, offset + 512 + size);
    if (content.length !== size) throw badArchive('it ends inside an entry');
    offset += 512 + size + (-size & 511);

    if (type === 'x') overrides = { ...overrides, ...readPax(content) };
    else if (type === 'L') overrides = { ...overrides, path: readText(content, 0, content.length) };
    else if (type === 'K') overrides = { ...overrides, linkTarget: readText(content, 0, content.length) };
    else if (type !== 'g') {
      entries.push(readEntry(header, type, content, overrides));
      overrides = {};
    }
  }
  return entries;
}

interface Overrides {
  readonly path?: string;
  readonly linkTarget?: string;
  readonly size?: number;
}

function readEntry(header: Uint8Array, typeFlag: string, content: Uint8Array, overrides: Overrides): TarEntry {
  const written = overrides.path ?? headerPath(header);
  const type = TYPES[typeFlag] ?? 'other';
  const isOldDirectory = type === 'file' && written.endsWith('/');
  const linkTarget = overrides.linkTarget ?? readText(header, 157, 100);
  if (written.length > MAX_PATH || linkTarget.length > MAX_PATH) throw badArchive('a path is too long');
  return {
    path: written.replace(/\/+$/, ''),
    type: isOldDirectory ? 'directory' : type,
    mode: readOctal(header, 100, 8),
    ...((type === 'link' || type === 'symlink') && { linkTarget }),
    content: type === 'file' ? content : new Uint8Array(),
  };
}

function headerPath(header: Uint8Array): string {
  // GNU archives say "ustar  " and keep times where POSIX keeps the prefix.
  const isPosix = readText(header, 257, 6) === 'ustar';
  const prefix = isPosix ? readText(header, 345, 155) : '';
  const name = readText(header, 0, 100);
  return prefix ? `${prefix}/${name}` : name;
}

/** Records `<length> <key>=<value>\n` of a pax extended header (POSIX.1-2008, pax). */
function readPax(content: Uint8Array): Overrides {
  let overrides: Overrides = {};
  for (let offset = 0; offset < content.length;) {
    const space = content.indexOf(0x20, offset);
    const length = space < 0 ? NaN : Number(readText(content, offset, space - offset));
    if (!Number.isInteger(length) || length <= space - offset || offset + length > content.length) {
      throw badArchive('a pax header is malformed');
    }
    const record = readText(content, space + 1, length - (space - offset) - 2);
    const equals = record.indexOf('=');
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)];
    if (key === 'path') overrides = { ...overrides, path: value };
    else if (key === 'linkpath') overrides = { ...overrides, linkTarget: value };
    else if (key === 'size') overrides = { ...overrides, size: readDecimal(value) };
    else if (key.startsWith('GNU.sparse')) throw badArchive('it has sparse files');
    offset += length;
  }
  return overrides;
}

function readDecimal(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw badArchive('a size is not a number');
  return Number(text);
}

function readOctal(header: Uint8Array, start: number, length: number): number {
  const text = readText(header, start, length).trim();
  if (text === '') return 0;
  if (!/^[0-7]{1,12}$/.test(text)) throw badArchive('a header field is not octal');
  return Number.parseInt(text, 8);
}

/** Up to the first NUL. */
function readText(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  try {
    return parseUtf8(end < 0 ? field : field.subarray(0, end));
  } catch (cause) {
    if (cause instanceof Fault) throw badArchive('a name is not UTF-8');
    throw cause;
  }
}

function checksum(header: Uint8Array): number {
  return header.reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 0x20 : byte), 0);
}

function badArchive(reason: string): MargoFault {
  return new MargoFault('margo/bad-archive', `The archive cannot be read: ${reason}.`);
}

const MAX_ENTRIES = 10_000;
const MAX_PATH = 4096;
const TYPES: Readonly<Record<string, TarEntry['type']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'link',
  '2': 'symlink',
  '5': 'directory',
};
