import { parseHex } from '@margo-trust/bytes';
import { verifyTimestampToken } from '../src/index.ts';

/** Called from outside an engine: bytes are hexadecimal. */
export function verify(token: string, message: string, anchor: string): string {
  const { genTime, tsa } = verifyTimestampToken(parseHex(token), parseHex(message), { anchors: [parseHex(anchor)] });
  return `${tsa.subjectText} ${genTime.toISOString()}`;
}
