import { openDer, malformed, readElements, type DerNode } from './der/read.ts';
import { contextTag } from './der/tag.ts';
import { readAscii } from './der/text.ts';
import type { GeneralName } from './model.ts';
import { readName } from './name.ts';

/** The names of a GeneralNames SEQUENCE, or of anything tagged IMPLICIT in its place (RFC 5280 §4.2.1.6). */
export function readGeneralNames(node: DerNode): GeneralName[] {
  const names = readElements(node).map(readGeneralName);
  if (names.length === 0) throw malformed('A list of names is empty.');
  return names;
}

export function readGeneralName(node: DerNode): GeneralName {
  switch (node.tag) {
    case contextTag(1, 'primitive'):
      return { type: 'rfc822', value: readAscii(node.content) };
    case contextTag(2, 'primitive'):
      return { type: 'dns', value: readAscii(node.content) };
    case contextTag(6, 'primitive'):
      return { type: 'uri', value: readAscii(node.content) };
    case contextTag(7, 'primitive'):
      return { type: 'ip', address: node.content };
    case contextTag(4, 'constructed'): {
      const cursor = openDer(node);
      const name = readName(cursor.nextAny());
      cursor.end();
      return { type: 'directory', name };
    }
    case contextTag(0, 'constructed'):
    case contextTag(3, 'constructed'):
    case contextTag(5, 'constructed'):
    case contextTag(8, 'primitive'):
      return { type: 'other', tag: node.tag, content: node.content };
    default:
      throw malformed('A GeneralName has an unknown form.');
  }
}

export function urisOf(names: readonly GeneralName[]): string[] {
  return names.flatMap((name) => (name.type === 'uri' ? [name.value] : []));
}
