import { malformed, openDer, readDefaultFalse, readElements, readOid, type DerNode } from './der/read.ts';
import { TAG } from './der/tag.ts';
import { derBoolean, derOctetString, derOid, derSequence } from './der/write.ts';
import type { Extension } from './model.ts';

/** Extensions (RFC 5280 §4.2): at least one, none twice. */
export function readExtensions(node: DerNode): Extension[] {
  const extensions = readElements(node, TAG.sequence).map(readExtension);
  if (extensions.length === 0) throw malformed('The list of extensions is empty.');
  if (new Set(extensions.map(({ oid }) => oid)).size !== extensions.length) {
    throw malformed('An extension appears twice.');
  }
  return extensions;
}

export function encodeExtensions(extensions: readonly Extension[]): Uint8Array {
  return derSequence(...extensions.map(encodeExtension));
}

export function findExtension(extensions: readonly Extension[], oid: string): Extension | undefined {
  return extensions.find((extension) => extension.oid === oid);
}

function readExtension(node: DerNode): Extension {
  const cursor = openDer(node);
  const oid = readOid(cursor.next(TAG.oid));
  const critical = readDefaultFalse(cursor);
  const value = cursor.next(TAG.octetString).content;
  cursor.end();
  return { oid, critical, value };
}

function encodeExtension({ oid, critical, value }: Extension): Uint8Array {
  return derSequence(derOid(oid), ...(critical ? [derBoolean(true)] : []), derOctetString(value));
}
