import { encodeBase64Url, parseBase64Url, encodeUtf8, parseUtf8 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { HttpFault } from './http.fault.ts';

/** How many items a page may have: 1 to 100, 20 unless said otherwise. */
export function readLimit(value: unknown): number {
  if (value === undefined) return 20;
  if (typeof value === 'string' && /^\d{1,3}$/.test(value) && Number(value) >= 1 && Number(value) <= 100)
    return Number(value);
  throw new HttpFault('http/invalid-query', 'limit must be a number from 1 to 100.', {
    errors: [{ field: 'limit', message: 'must be a number from 1 to 100' }],
  });
}

/** Cursors are opaque to callers, so that what they hold may change. */
export function encodeCursor(position: string): string {
  return encodeBase64Url(encodeUtf8(position));
}

/** The position a cursor stands for, if `isPosition` knows it as one: the text comes from the caller. */
export function readCursor(value: unknown, isPosition: (text: string) => boolean = () => true): string | undefined {
  if (value === undefined) return undefined;
  try {
    const text = typeof value === 'string' && value.length <= 200 ? parseUtf8(parseBase64Url(value)) : undefined;
    if (text !== undefined && isPosition(text)) return text;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
  throw new HttpFault('http/invalid-query', 'Take the cursor from the page before as it stands.', {
    errors: [{ field: 'before', message: 'is not a cursor' }],
  });
}
