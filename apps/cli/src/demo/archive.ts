import { crc32 } from 'node:zlib';
import { concatBytes } from '@margo-trust/bytes';
import { encodeTar } from '@margo-trust/margo';
import type { DemoFiles } from './load.ts';

/** `.tar.gz` of the files below `folder`, moved into the only top-level directory `directory`. */
export function packDirectory(files: DemoFiles, folder: string, directory: string): Uint8Array {
  const members = [...files]
    .filter(([path]) => path.startsWith(`${folder}/`))
    .map(([path, content]) => ({ path: `${directory}${path.slice(folder.length)}`, content }));
  return encodeGzip(encodeTar(members));
}

/**
 * A gzip member (RFC 1952) of stored blocks (RFC 1951 §3.2.4). Compressed bytes differ between zlib versions and
 * processors, and a digest that is signed must not.
 */
export function encodeGzip(bytes: Uint8Array): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += MAX_STORED) {
    const part = bytes.subarray(at, at + MAX_STORED);
    const header = Buffer.alloc(5);
    header.writeUInt8(at + MAX_STORED >= bytes.length ? 1 : 0, 0); // the last block
    header.writeUInt16LE(part.length, 1);
    header.writeUInt16LE(~part.length & 0xffff, 3);
    blocks.push(header, part);
  }
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(bytes), 0);
  trailer.writeUInt32LE(bytes.length, 4);
  return concatBytes(GZIP_HEADER, ...blocks, trailer);
}

/** Deflate, no name, no time, unknown system. */
const GZIP_HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
const MAX_STORED = 65_535;
