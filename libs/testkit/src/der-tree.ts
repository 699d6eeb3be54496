import { concatBytes } from '@margo-trust/bytes';
import { DerCursor, readDer, type DerNode } from '@margo-trust/x509';

/** A DER value taken apart, to be spoilt and written again. */
export interface DerTree {
  tag: number;
  /** Of constructed values. */
  children: DerTree[];
  /** Of primitive values; also written after the children, so that bytes can be left over. */
  content: Uint8Array;
  /** How to write the length. Default: as DER demands. */
  length?: 'padded' | 'indefinite';
}

export function readTree(der: Uint8Array): DerTree {
  return toTree(readDer(der));
}

export function writeTree({ tag, children, content, length }: DerTree): Uint8Array {
  const body = concatBytes(...children.map(writeTree), content);
  if (length === 'indefinite') return concatBytes(Uint8Array.of(tag, 0x80), body, new Uint8Array(2));
  const octets = [24, 16, 8, 0].map((shift) => (body.length >> shift) & 0xff);
  if (length === 'padded') return concatBytes(Uint8Array.of(tag, 0x84, ...octets), body);
  if (body.length < 0x80) return concatBytes(Uint8Array.of(tag, body.length), body);
  const minimal = octets.slice(octets.findIndex((octet) => octet > 0));
  return concatBytes(Uint8Array.of(tag, 0x80 | minimal.length, ...minimal), body);
}

/** The child at these positions, one after another. */
export function descend(tree: DerTree, ...positions: number[]): DerTree {
  return positions.reduce((node, position) => {
    const child = node.children.at(position);
    if (!child) throw new Error(`There is no child ${position}.`);
    return child;
  }, tree);
}

export function leafNode(tag: number, ...octets: number[]): DerTree {
  return { tag, children: [], content: Uint8Array.from(octets) };
}

function toTree({ tag, content }: DerNode): DerTree {
  if ((tag & 0x20) === 0) return { tag, children: [], content };
  const cursor = new DerCursor(content);
  const children: DerTree[] = [];
  while (!cursor.isAtEnd()) children.push(toTree(cursor.nextAny()));
  return { tag, children, content: new Uint8Array() };
}
