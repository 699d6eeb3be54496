import { BytesFault } from './fault.ts';
import { parseUtf8 } from './utf8.ts';

export interface JsonLimits {
  /** Longest input: bytes, or UTF-16 units of a string. Default 1 MiB. */
  readonly maxBytes?: number;
  /** Most objects and arrays inside one another. Default 32. */
  readonly maxDepth?: number;
}

/**
 * The value of a JSON text (RFC 8259) from a source that may be hostile.
 *
 * Size and depth are judged before `JSON.parse` sees the text. An object that names a member twice is refused
 * (RFC 7493 §2.3): two readers could see two documents. Numbers are read as doubles.
 */
export function parseJson(input: Uint8Array | string, limits: JsonLimits = {}): unknown {
  if (input.length > (limits.maxBytes ?? 1_048_576)) {
    throw new BytesFault('bytes/too-large', 'The JSON document is too large.');
  }
  const text = typeof input === 'string' ? input : parseUtf8(input);
  scan(text, limits.maxDepth ?? 32);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BytesFault('bytes/bad-json', 'The document is not JSON.', { cause });
  }
}

/** Looks only at brackets, for the depth, and at strings followed by a colon, which are member names. */
function scan(text: string, maxDepth: number): void {
  const open: Set<string>[] = [];
  let lastString = '';
  for (let i = 0; i < text.length; i++) {
    switch (text.charAt(i)) {
      case '"': {
        const end = endOfString(text, i);
        lastString = text.slice(i, end + 1);
        i = end;
        break;
      }
      case '{':
      case '[':
        if (open.length >= maxDepth) throw new BytesFault('bytes/too-deep', 'The JSON document is nested too deeply.');
        open.push(new Set());
        break;
      case '}':
      case ']':
        open.pop();
        break;
      case ':': {
        const members = open[open.length - 1];
        const name = memberName(lastString);
        if (members?.has(name)) throw new BytesFault('bytes/duplicate-key', 'A JSON object names a member twice.');
        members?.add(name);
      }
    }
  }
}

/** Where the closing quote is; the end of the text if it is missing. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text.charAt(i) !== '"') i += text.charAt(i) === '\\' ? 2 : 1;
  return i;
}

/** Escapes are resolved first: `"\u0061"` and `"a"` are the same name. */
function memberName(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return String(JSON.parse(literal));
  } catch {
    return literal; // not JSON, as JSON.parse of the whole will say
  }
}
