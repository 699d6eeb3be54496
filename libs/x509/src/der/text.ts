import { parseUtf8 } from '@margo-trust/bytes';
import { X509Fault } from '../fault.ts';
import { malformed, type DerNode } from './read.ts';
import { TAG } from './tag.ts';
import { derPrimitive } from './write.ts';

/** Whether the tag is one of the string types read here. */
export function isTextTag(tag: number): boolean {
  return TEXT_TAGS.has(tag);
}

const TEXT_TAGS: ReadonlySet<number> = new Set([TAG.utf8, TAG.printable, TAG.ia5, TAG.visible, TAG.teletex, TAG.bmp]);

/** The text of a string type, undefined when the tag is not one. Fault when the octets are not what the tag says. */
export function readText(node: DerNode): string | undefined {
  switch (node.tag) {
    case TAG.utf8:
      return readUtf8(node.content);
    case TAG.printable:
    case TAG.ia5:
    case TAG.visible:
      return readAscii(node.content);
    case TAG.teletex:
      // T.61 in name only: everybody writes and reads Latin-1.
      return fromCodes(node.content);
    case TAG.bmp:
      return readUcs2(node.content);
    default:
      return undefined;
  }
}

/** The text of an IA5String, whatever its (implicit) tag. */
export function readAscii(content: Uint8Array): string {
  if (content.some((octet) => octet > 0x7f)) throw malformed('An ASCII string holds other characters.');
  return fromCodes(content);
}

export function readUtf8(content: Uint8Array): string {
  try {
    return parseUtf8(content);
  } catch (cause) {
    throw new X509Fault('x509/malformed', 'A UTF8String is not UTF-8.', { cause });
  }
}

export function derAscii(tag: number, text: string): Uint8Array {
  const octets = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) throw new X509Fault('x509/invalid-spec', 'A text must be ASCII.');
    octets[i] = code;
  }
  return derPrimitive(tag, octets);
}

function readUcs2(content: Uint8Array): string {
  if (content.length % 2 !== 0) throw malformed('A BMPString has an odd length.');
  const codes = new Uint16Array(content.length / 2);
  for (let i = 0; i < codes.length; i++) codes[i] = ((content[2 * i] ?? 0) << 8) | (content[2 * i + 1] ?? 0);
  if (codes.some((code) => code >= 0xd800 && code < 0xe000)) throw malformed('A BMPString holds surrogates.');
  return fromCodes(codes);
}

function fromCodes(codes: Uint8Array | Uint16Array): string {
  let text = '';
  // In steps: the argument list of a call is bounded.
  for (let i = 0; i < codes.length; i += 4096) text += String.fromCharCode(...codes.subarray(i, i + 4096));
  return text;
}
