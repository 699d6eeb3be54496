import { areEqualBytes, compareBytes, encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { openDer, readElements, malformed, readDer, readOid, type DerNode } from './der/read.ts';
import { TAG } from './der/tag.ts';
import { isTextTag, readText } from './der/text.ts';
import type { Name, NameAttribute } from './model.ts';
import { OID } from './oid.ts';

/** Reads a Name from its SEQUENCE (RFC 5280 §4.1.2.4). An empty name is a name. */
export function readName(node: DerNode): Name {
  if (node.tag !== TAG.sequence) throw malformed('A Name is not a SEQUENCE.');
  const rdns = readElements(node, TAG.set);
  if (rdns.length > 64) throw malformed('A Name has too many parts.');
  return { der: node.der, rdns: rdns.map(readRdn) };
}

export function parseName(der: Uint8Array): Name {
  return readName(readDer(der));
}

/** The attributes of one RDN: the content of its SET. */
export function readRdn(node: DerNode): NameAttribute[] {
  const elements = readElements(node, TAG.sequence);
  if (elements.length === 0) throw malformed('An RDN is empty.');
  for (let i = 1; i < elements.length; i++) {
    const [previous, next] = [elements[i - 1] as DerNode, elements[i] as DerNode];
    if (compareBytes(previous.der, next.der) >= 0) throw malformed('A SET OF is not in ascending order.');
  }
  return elements.map(readAttribute);
}

/** RFC 4514 text, most specific part first; for people, not for comparing. */
export function nameText(name: Name): string {
  return name.rdns
    .map((rdn) => rdn.map((attribute) => `${label(attribute.oid)}=${escapeValue(attribute.value)}`).join('+'))
    .reverse()
    .join(',');
}

/**
 * Compares as RFC 5280 §7.1 says: the string types do not matter, nor do case and repeated, leading or trailing space;
 * the order of the RDNs does.
 */
export function areEqualNames(a: Name, b: Name): boolean {
  return areEqualBytes(a.der, b.der) || comparable(a.rdns) === comparable(b.rdns);
}

/** Whether `name` lies in the subtree below `base`, itself included (RFC 5280 §4.2.1.10). */
export function isWithinName(name: Name, base: Name): boolean {
  return comparable(name.rdns.slice(0, base.rdns.length)) === comparable(base.rdns);
}

/** A text that is the same for equal names. Serves as a key of maps and sets. */
export function comparable(rdns: readonly (readonly NameAttribute[])[]): string {
  const known = COMPARABLE.get(rdns);
  if (known !== undefined) return known;
  const text = JSON.stringify(rdns.map((rdn) => rdn.map(comparableAttribute).sort()));
  COMPARABLE.set(rdns, text);
  return text;
}

/** A search compares the same few names over and over. */
const COMPARABLE = new WeakMap<readonly (readonly NameAttribute[])[], string>();

function comparableAttribute({ oid, value, tag }: NameAttribute): string {
  if (!isTextTag(tag)) return `${oid}${value}`;
  return `${oid}=${value.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ')}`;
}

function readAttribute(node: DerNode): NameAttribute {
  const cursor = openDer(node);
  const oid = readOid(cursor.next(TAG.oid));
  const value = cursor.nextAny();
  cursor.end();
  // X.690 §10.2: a string in parts is BER.
  if (isTextTag(value.tag & ~0x20) && (value.tag & 0x20) !== 0) throw malformed('A string comes in parts.');
  return { oid, value: readText(value) ?? `#${encodeHex(value.der)}`, tag: value.tag };
}

function label(oid: string): string {
  return LABELS.get(oid) ?? oid;
}

/** RFC 4514 §2.4. */
function escapeValue(value: string): string {
  if (PLAIN.test(value)) return value;
  return value
    .replace(/[\\",+;<>]/g, '\\$&')
    .replace(/^[ #]/, '\\$&')
    .replace(/(?<=.) $/, '\\ ')
    .replace(UNPRINTABLE, (char) =>
      [...encodeUtf8(char)].map((octet) => `\\${encodeHex(Uint8Array.of(octet))}`).join(''),
    );
}

/** What most values are, and needs nothing. */
const PLAIN = /^[A-Za-z0-9](?:[A-Za-z0-9 .-]*[A-Za-z0-9.-])?$/;

/** Control characters, and those that turn the direction of the text around them. */
// eslint-disable-next-line no-control-regex -- the range is the point
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

const LABELS: ReadonlyMap<string, string> = new Map([
  [OID.commonName, 'CN'],
  [OID.country, 'C'],
  [OID.locality, 'L'],
  [OID.state, 'ST'],
  [OID.organization, 'O'],
  [OID.organizationalUnit, 'OU'],
  [OID.emailAddress, 'emailAddress'],
]);
