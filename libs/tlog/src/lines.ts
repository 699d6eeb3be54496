import { BytesFault, parseBase64 } from '@margo-trust/bytes';
import type { Hash } from '@margo-trust/merkle';

/** The value of ASCII digits without leading zeros, at most 2^64 - 1; undefined for any other text. */
export function findDecimal(text: string): bigint | undefined {
  if (!/^(0|[1-9][0-9]{0,19})$/.test(text)) return undefined;
  const value = BigInt(text);
  return value < 1n << 64n ? value : undefined;
}

/** The 32 bytes of a base64 text; undefined for any other text. */
export function findHash(text: string): Hash | undefined {
  const bytes = findBase64(text);
  return bytes?.length === 32 ? bytes : undefined;
}

/** The bytes of a canonical, padded base64 text; undefined for any other text. */
export function findBase64(text: string): Uint8Array | undefined {
  try {
    return parseBase64(text);
  } catch (error) {
    if (error instanceof BytesFault) return undefined;
    throw error;
  }
}
