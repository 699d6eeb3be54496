import { createHash } from 'node:crypto';
import { concatBytes } from '@margo-trust/bytes';
import { describe, type Descriptor } from './descriptor.ts';
import { OciFault } from './fault.ts';

/** What {@link OciSource.loadBlob} loads at most unless told otherwise. */
export const DEFAULT_MAX_BLOB_BYTES = 64 * 1024 * 1024;

/** Refuses bytes that are not the ones described. */
export function verifyContent(bytes: Uint8Array, expected: { readonly digest: string; readonly size?: number }): void {
  if (expected.size !== undefined && bytes.length !== expected.size) throw sizeMismatch(expected.digest);
  if (describe(bytes, '').digest !== expected.digest) throw digestMismatch(expected.digest);
}

/** Passes pieces through and, when they end, refuses what was not described; too much is refused as soon as it shows. */
export async function* verifyStream(
  pieces: AsyncIterable<Uint8Array>,
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let length = 0;
  for await (const piece of pieces) {
    length += piece.length;
    if (length > size) throw sizeMismatch(digest);
    hash.update(piece);
    yield piece;
  }
  if (length !== size) throw sizeMismatch(digest);
  if (`sha256:${hash.digest('hex')}` !== digest) throw digestMismatch(digest);
}

export async function collect(pieces: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const piece of pieces) {
    length += piece.length;
    if (length > maxBytes) throw tooLarge(maxBytes);
    parts.push(piece);
  }
  return concatBytes(...parts);
}

export function tooLarge(maxBytes: number): OciFault {
  return new OciFault('oci/too-large', `The content is larger than the ${maxBytes} bytes allowed here.`);
}

export function sizeMismatch(digest: string): OciFault {
  return new OciFault('oci/size-mismatch', `The content of ${digest} does not have the size it was described with.`);
}

function digestMismatch(digest: string): OciFault {
  return new OciFault('oci/digest-mismatch', `The content delivered for ${digest} has another digest.`);
}
