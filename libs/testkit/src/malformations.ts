import { encodeUtf8 } from '@margo-trust/bytes';
import { descend, leafNode, readTree, writeTree, type DerTree } from './der-tree.ts';

/** One way in which a TBSCertificate can fail to be DER, or to be a certificate. */
export interface Malformation {
  readonly name: string;
  /** What it offends. */
  readonly source: string;
  /** Changes the tree of the TBSCertificate (version 3, two extensions at least, the first critical). */
  readonly spoil: (tbs: DerTree) => void;
}

const VERSION = 0;
const SERIAL = 1;
const ISSUER = 3;
const VALIDITY = 4;
const SUBJECT = 5;
/** The SEQUENCE OF Extension inside its explicit tag. */
const extensions = (tbs: DerTree) => descend(tbs, -1, 0);

const X690 = 'X.690';
const RFC = 'RFC 5280';

/** Each is a defect of its own: all else stays as it was. */
export const MALFORMATIONS: readonly Malformation[] = [
  of('indefinite length', `${X690} §10.1`, (tbs) => (tbs.length = 'indefinite')),
  of('indefinite length deep inside', `${X690} §10.1`, (tbs) => (descend(tbs, SUBJECT).length = 'indefinite')),
  of('length that is not minimal', `${X690} §10.1`, (tbs) => (tbs.length = 'padded')),
  of('length of a primitive that is not minimal', `${X690} §10.1`, (tbs) => (descend(tbs, SERIAL).length = 'padded')),
  of('element after the last', `${RFC} §4.1`, (tbs) => void tbs.children.push(leafNode(0x05))),
  of('element after the extensions', `${RFC} §4.1`, (tbs) => void descend(tbs, -1).children.push(leafNode(0x05))),
  of('bytes after the value of an extension', `${RFC} §4.2`, (tbs) => {
    const value = descend(extensions(tbs), 0, -1);
    value.content = Uint8Array.of(...value.content, 0);
  }),
  of('serial number that is negative', `${RFC} §4.1.2.2`, (tbs) => setContent(descend(tbs, SERIAL), 0x80, 1)),
  of('serial number that is not minimal', `${X690} §8.3.2`, (tbs) => setContent(descend(tbs, SERIAL), 0, 0x41)),
  of('serial number without octets', `${X690} §8.3.1`, (tbs) => setContent(descend(tbs, SERIAL))),
  of('serial number of 22 octets', `${RFC} §4.1.2.2`, (tbs) =>
    setContent(descend(tbs, SERIAL), ...Array.from({ length: 22 }, () => 0x41)),
  ),
  of('version 1 written out', `${X690} §11.5`, (tbs) => {
    setContent(descend(tbs, VERSION, 0), 0);
    tbs.children.pop();
  }),
  of('version 4', `${RFC} §4.1.2.1`, (tbs) => setContent(descend(tbs, VERSION, 0), 3)),
  of('extensions in version 1', `${RFC} §4.1.2.9`, (tbs) => void tbs.children.shift()),
  of('empty list of extensions', `${RFC} §4.1.2.9`, (tbs) => (extensions(tbs).children = [])),
  of('extension that appears twice', `${RFC} §4.2`, (tbs) => {
    const list = extensions(tbs);
    list.children.push(descend(list, 0));
  }),
  of('BOOLEAN that is neither 00 nor FF', `${X690} §11.1`, (tbs) => setContent(descend(extensions(tbs), 0, 1), 1)),
  of('default that is written out', `${X690} §11.5`, (tbs) => setContent(descend(extensions(tbs), 0, 1), 0)),
  of('extension value in two parts', `${X690} §10.2`, (tbs) => {
    const value = descend(extensions(tbs), 0, -1);
    value.children = [leafNode(0x04, ...value.content)];
    value.content = new Uint8Array();
    value.tag = 0x24;
  }),
  of('string in two parts', `${X690} §10.2`, (tbs) => {
    const value = descend(tbs, SUBJECT, -1, 0, 1);
    value.children = [leafNode(value.tag, ...value.content)];
    value.content = new Uint8Array();
    value.tag |= 0x20;
  }),
  of('object identifier that is not minimal', `${X690} §8.19.2`, (tbs) =>
    setContent(descend(tbs, SUBJECT, 0, 0, 0), 0x55, 0x80, 0x04, 0x06),
  ),
  of('object identifier that ends early', `${X690} §8.19.2`, (tbs) =>
    setContent(descend(tbs, SUBJECT, 0, 0, 0), 0x55, 0x04, 0x86),
  ),
  of('SET OF that is not sorted', `${X690} §11.6`, (tbs) => {
    // The shorter comes after the longer.
    descend(tbs, SUBJECT, -1).children.push({
      tag: 0x30,
      children: [leafNode(0x06, 0x55, 0x04, 0x0b), leafNode(0x0c, ...encodeUtf8('Unit'))],
      content: new Uint8Array(),
    });
  }),
  of('relative name without attributes', `${RFC} §4.1.2.4`, (tbs) => (descend(tbs, ISSUER, 0).children = [])),
  of('UTF8String that is not UTF-8', 'RFC 3629 §3', (tbs) => {
    const value = descend(tbs, SUBJECT, -1, 0, 1);
    value.tag = 0x0c;
    setContent(value, 0xc0, 0x80);
  }),
  of('time without seconds', `${RFC} §4.1.2.5.1`, (tbs) => setText(descend(tbs, VALIDITY, 0), '2501010000Z')),
  of('time with an offset', `${RFC} §4.1.2.5.1`, (tbs) => setText(descend(tbs, VALIDITY, 0), '250101000000+0100')),
  of('time with a fraction', `${RFC} §4.1.2.5.2`, (tbs) => {
    descend(tbs, VALIDITY, 1).tag = 0x18;
    setText(descend(tbs, VALIDITY, 1), '20350101000000.5Z');
  }),
  of('time that does not exist', 'X.680 §47', (tbs) => setText(descend(tbs, VALIDITY, 0), '250230000000Z')),
  of('validity with a third time', `${RFC} §4.1.2.5`, (tbs) => {
    const validity = descend(tbs, VALIDITY);
    validity.children.push(descend(validity, 1));
  }),
  of('tag number above 30', `${X690} §8.1.2.4`, (tbs) => (descend(tbs, SUBJECT, -1, 0, 1).tag = 0x1f)),
];

/** The TBSCertificate `tbs`, spoilt. */
export function spoilTbs(tbs: Uint8Array, { spoil }: Malformation): Uint8Array {
  const tree = readTree(tbs);
  spoil(tree);
  return writeTree(tree);
}

function of(name: string, source: string, spoil: (tbs: DerTree) => unknown): Malformation {
  return { name, source, spoil: (tbs) => void spoil(tbs) };
}

function setContent(node: DerTree, ...octets: number[]): void {
  node.content = Uint8Array.from(octets);
}

function setText(node: DerTree, text: string): void {
  node.content = encodeUtf8(text);
}
