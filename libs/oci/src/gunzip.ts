import { gunzipSync } from 'node:zlib';
import { tooLarge } from './content.ts';
import { OciFault } from './fault.ts';

/** What a gzip member unpacks to, at most `maxBytes`. Compose Archives and Helm charts come as `.tar.gz`. */
export function gunzip(bytes: Uint8Array, maxBytes: number): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (cause) {
    if (cause instanceof RangeError) throw tooLarge(maxBytes);
    throw new OciFault('oci/bad-archive', 'The archive is not gzip, or it is damaged.', { cause });
  }
}
