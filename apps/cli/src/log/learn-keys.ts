import { parseEvidence, evidencePath, readKeyEvent, verifyCheckpoint } from '@margo-trust/auditor';
import { areEqualBytes, parseBase64, parseJson } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { hashLeaf, rootFromInclusion, type Hash } from '@margo-trust/merkle';
import { CONTENT, parseStatement } from '@margo-trust/statement';
import {
  hashesForInclusion,
  inclusionFromTiles,
  parseCheckpoint,
  parseNote,
  parseVerifierKey,
  tilePath,
  tilesForNodes,
  verifierKeySpki,
  type CheckpointKey,
  type TileRef,
  type VerifierKey,
} from '@margo-trust/tlog';
import type { LogFiles } from './log-files.ts';

/** A key of checkpoints as the log's description names it; nothing of it is believed. */
interface NamedKey {
  readonly key: VerifierKey;
  readonly event?: bigint;
  readonly transition?: Uint8Array;
}

/**
 * The keys of a log's checkpoints, learned from one of them. Wherever a key replaced another the log has a record, and a
 * checkpoint that ends with it and that both keys signed: so whoever trusts the one may trust the other, for the tree sizes that the
 * record says. What the log's description tells is followed only as far as that proves it.
 */
export async function learnKeys(files: LogFiles, pinned: VerifierKey): Promise<readonly CheckpointKey[]> {
  const named = (await readHistory(files)).filter(({ key }) => key.name === pinned.name);
  const start = named.findIndex(({ key }) => areEqualBytes(key.publicKey, pinned.publicKey));
  if (start < 0) return [{ key: pinned, fromSize: 0n }];
  const wide = await withWiderFiles(files);

  // Sizes at which a key took over, proved step by step in both directions.
  const [from, until] = [new Map<number, bigint>(), new Map<number, bigint>()];
  let [first, last] = [start, start];
  for (let n = start + 1; n < named.length; n += 1) {
    const size = await proveHandover(wide, named[n - 1], named[n], pinned);
    if (size === undefined) break;
    until.set(n - 1, size);
    from.set(n, size);
    last = n;
  }
  for (let n = start; n > 0; n -= 1) {
    const size = await proveHandover(wide, named[n - 1], named[n], pinned);
    if (size === undefined) break;
    until.set(n - 1, size);
    from.set(n, size);
    first = n - 1;
  }
  return named.slice(first, last + 1).map(({ key }, i) => {
    const untilSize = until.get(first + i);
    return { key, fromSize: from.get(first + i) ?? 0n, ...(untilSize !== undefined && { untilSize }) };
  });
}

/** The first tree size that the later key signs for; nothing when the two do not both vouch for it. */
async function proveHandover(
  files: WideFiles,
  before: NamedKey | undefined,
  after: NamedKey | undefined,
  pinned: VerifierKey,
): Promise<bigint | undefined> {
  if (!before || after?.event === undefined || !after.transition) return undefined;
  const { event, transition } = after;
  try {
    const [old, next] = [before.key, after.key].map((key) => verifyCheckpoint(transition, key));
    if (!old || !next || old.size !== event + 1n) return undefined;
    const bytes = await files.loadEvidence(event / 256n, Number(event % 256n) + 1);
    const row = bytes && parseEvidence(bytes).rows[Number(event % 256n)];
    if (!row?.body) return undefined;
    if (!(await isLast(files, row.entry, event, old.root))) return undefined;
    const statement = parseStatement(row.body);
    if (!areEqualBytes(statement.entry, row.entry) || statement.contentType !== CONTENT.record) return undefined;
    const told = readKeyEvent({ index: event, statement });
    const says = told?.purpose === 'checkpoint' && told.origin === pinned.name;
    const isIt = says && isKey(told.key, after.key) && told.replaces && isKey(told.replaces, before.key);
    return isIt ? told.fromSize : undefined;
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

/** Whether the entry is the last leaf of the tree with this root. */
async function isLast(files: WideFiles, entry: Uint8Array, index: bigint, root: Hash): Promise<boolean> {
  const size = index + 1n;
  const tiles = new Map<string, Uint8Array>();
  for (const ref of tilesForNodes(hashesForInclusion(index, size), size)) {
    tiles.set(tilePath(ref), (await files.loadTile(ref)) ?? new Uint8Array());
  }
  const load = (ref: TileRef) => tiles.get(tilePath(ref)) ?? new Uint8Array();
  return areEqualBytes(rootFromInclusion(hashLeaf(entry), index, size, inclusionFromTiles(index, size, load)), root);
}

function isKey(spki: Uint8Array, key: VerifierKey): boolean {
  return areEqualBytes(spki, verifierKeySpki(key));
}

/** Files that hold the beginning of what is asked for too: a mirror keeps the widest. */
interface WideFiles {
  loadEvidence(index: bigint, width: number): Promise<Uint8Array | undefined>;
  loadTile(ref: TileRef): Promise<Uint8Array | undefined>;
}

async function withWiderFiles(files: LogFiles): Promise<WideFiles> {
  const note = await files.load('checkpoint');
  const size = note ? parseCheckpoint(parseNote(note).text).size : 0n; // says only how wide the last ones may be
  const widths = (level: number, index: bigint, width: number) => {
    const last = (size >> BigInt(8 * level)) - index * 256n;
    return [width, 256, ...(last > width && last < 256n ? [Number(last)] : [])];
  };
  const first = async (paths: readonly string[], maxBytes: number) => {
    for (const path of paths) {
      const bytes = await files.load(path, maxBytes);
      if (bytes) return bytes;
    }
    return undefined;
  };
  return {
    loadEvidence: (index, width) =>
      first(
        widths(0, index, width).map((w) => evidencePath(index, w)),
        512 << 20,
      ),
    loadTile: async ({ level, index, width }) => {
      const paths = widths(level, index, width).map((w) => tilePath({ level, index, width: w }));
      return (await first(paths, 1 << 20))?.subarray(0, width * 32);
    },
  };
}

async function readHistory(files: LogFiles): Promise<NamedKey[]> {
  const bytes = await files.load('log.json');
  if (!bytes) return [];
  const { checkpointHistory } = parseJson(bytes, { maxBytes: 1 << 20, maxDepth: 8 }) as { checkpointHistory?: unknown };
  if (!Array.isArray(checkpointHistory)) return [];
  return checkpointHistory.slice(0, 256).flatMap((item: Record<string, unknown> | null) => {
    const { key, event, transition } = item ?? {};
    if (typeof key !== 'string') return [];
    return {
      key: parseVerifierKey(key),
      ...(typeof event === 'string' && /^\d{1,18}$/.test(event) && { event: BigInt(event) }),
      ...(typeof transition === 'string' && { transition: parseBase64(transition) }),
    };
  });
}
