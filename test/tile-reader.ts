import { createHash } from 'node:crypto';
import { parseNote, parseVerifierKey, verifyNote } from '@margo-trust/tlog';
import { hashLeaf, type Hash } from '@margo-trust/merkle';
import { referenceRoot } from '../libs/merkle/test/reference.ts';

/** A file of the log by its path, or `undefined`. */
export type ReadFile = (path: string) => Promise<Uint8Array | undefined>;

/**
 * Reads a log of C2SP tiles as a mirror does: takes the checkpoint, fetches every resource that its size implies, by paths made
 * here, and holds each against the tree of the entries. Returns that tree; throws for whatever is missing or wrong.
 */
export async function readTileLog(read: ReadFile, verifierKey: string): Promise<{ size: number; entries: Buffer[] }> {
  const must = async (path: string): Promise<Buffer> => {
    const bytes = await read(path);
    if (!bytes) throw new Error(`${path} is missing.`);
    return Buffer.from(bytes);
  };
  const note = parseNote(await must('checkpoint'));
  verifyNote(note, [parseVerifierKey(verifierKey)]);
  const [, sizeText = '', rootText] = note.text.split('\n');
  const size = Number(sizeText);

  const entries: Buffer[] = [];
  for (const path of pathsOver('entries', size)) entries.push(...entriesOf(await must(path)));
  if (entries.length !== size) throw new Error(`The bundles hold ${entries.length} entries rather than ${size}.`);
  let hashes: Hash[] = entries.map((entry) => hashLeaf(entry));
  if (Buffer.from(treeRoot(hashes)).toString('base64') !== rootText) throw new Error('The entries make another root.');

  for (let level = 0; hashes.length > 0; level += 1) {
    for (const [i, path] of pathsOver(String(level), hashes.length).entries()) {
      const expected = Buffer.concat(hashes.slice(i * 256, i * 256 + 256));
      if (!expected.equals(await must(path))) throw new Error(`${path} is wrong.`);
    }
    const full = Math.floor(hashes.length / 256);
    hashes = Array.from({ length: full }, (_, i) => treeRoot(hashes.slice(i * 256, i * 256 + 256)));
  }
  return { size, entries };
}

/** The paths of the tiles of one level that hold so many hashes or entries. */
function pathsOver(level: string, count: number): string[] {
  return Array.from({ length: Math.ceil(count / 256) }, (_, index) => {
    const width = Math.min(256, count - index * 256);
    const digits = String(index).padStart(Math.ceil(String(index).length / 3) * 3, '0');
    const groups = digits.match(/.{3}/g) ?? [];
    const name = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join('/');
    return `tile/${level}/${name}${width === 256 ? '' : `.p/${width}`}`;
  });
}

function entriesOf(bundle: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let at = 0; at < bundle.length; at += 2 + bundle.readUInt16BE(at)) {
    entries.push(bundle.subarray(at + 2, at + 2 + bundle.readUInt16BE(at)));
  }
  return entries;
}

/** RFC 9162 §2.1.1, but with full subtrees folded in pairs: the recursion would be slow for large trees. */
function treeRoot(leaves: readonly Hash[]): Hash {
  if (leaves.length <= 512) return referenceRoot(leaves);
  const pairs = Array.from({ length: leaves.length >> 1 }, (_, i) =>
    createHash('sha256')
      .update(Uint8Array.of(1))
      .update(leaves[2 * i]!)
      .update(leaves[2 * i + 1]!)
      .digest(),
  );
  return treeRoot(leaves.length % 2 === 0 ? pairs : [...pairs, leaves.at(-1)!]);
}
