import { encodeBase64Url, encodeUtf8, parseJson } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { bundlePath, parseTilePath, TlogFault } from '@margo-trust/tlog';
import { AuditorFault } from './fault.ts';

const [OURS, THEIRS] = ['evidence/', 'tile/entries/'];
const WHOLE = 256;

/** The path below the log's prefix, spelt like those of tiles: `evidence/x001/x234/067`, `evidence/000.p/5`. */
export function evidencePath(index: bigint, width: number): string {
  return OURS + bundlePath(index, width).slice(THEIRS.length);
}

/** Reads a path as {@link evidencePath} writes it: bundle number and rows wanted, 1 to 256. */
export function parseEvidencePath(path: string): { index: bigint; width: number } {
  try {
    if (!path.startsWith(OURS)) throw noSuchPath();
    const { index, width } = parseTilePath(THEIRS + path.slice(OURS.length));
    return { index, width };
  } catch (cause) {
    if (cause instanceof TlogFault) throw noSuchPath();
    throw cause;
  }
}

/**
 * Which statements of a bundle are withheld, as a name: the same positions (from 0, ascending) have the same name, whatever the
 * width of the bundle. Empty when none is.
 */
export function evidenceRevision(withheld: readonly number[]): string {
  return withheld.length === 0 ? '' : encodeBase64Url(sha256(Uint8Array.from(withheld)));
}

/** The folder of a bundle's files of one revision other than the empty one. */
export function revisedEvidenceFolder(index: bigint, revision: string): string {
  return `${evidencePath(index, WHOLE)}.r/${revision}`;
}

/** Where files that never change lie, a bundle some of whose statements are withheld: `evidence/x001/234.r/<revision>/<width>`. */
export function revisedEvidencePath(index: bigint, width: number, revision: string): string {
  return revision === '' ? evidencePath(index, width) : `${revisedEvidenceFolder(index, revision)}/${width}`;
}

/** Beside the checkpoint: which bundles lie under another name than their plain one. */
export const EVIDENCE_REVISIONS_PATH = 'evidence.json';

const REVISIONS_TYPE = 'margo.log-evidence-revisions.v1';
const MAX_REVISIONS_BYTES = 16 << 20;

/** The file at {@link EVIDENCE_REVISIONS_PATH}: the revision of each bundle whose revision is not empty. */
export function encodeEvidenceRevisions(origin: string, bundles: ReadonlyMap<bigint, string>): Uint8Array {
  const sorted = [...bundles].sort(([a], [b]) => (a < b ? -1 : 1)).map(([index, revision]) => [`${index}`, revision]);
  return encodeUtf8(`${JSON.stringify({ type: REVISIONS_TYPE, origin, bundles: Object.fromEntries(sorted) })}\n`);
}

/** The revision of a bundle; empty if the file does not name it. What cannot be read is `audit/bad-evidence`. */
export function findEvidenceRevision(file: Uint8Array, index: bigint): string {
  let json: { type?: unknown; bundles?: Record<string, unknown> } | null;
  try {
    json = parseJson(file, { maxBytes: MAX_REVISIONS_BYTES, maxDepth: 4 }) as typeof json;
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new AuditorFault('audit/bad-evidence', `${EVIDENCE_REVISIONS_PATH} cannot be read.`, { cause });
  }
  const revision = json?.type === REVISIONS_TYPE ? (json.bundles?.[`${index}`] ?? '') : undefined;
  if (typeof revision !== 'string' || !/^(?:[\w-]{43})?$/.test(revision)) {
    throw new AuditorFault('audit/bad-evidence', `${EVIDENCE_REVISIONS_PATH} is not a list of revisions.`);
  }
  return revision;
}

function noSuchPath(): AuditorFault {
  return new AuditorFault('audit/bad-evidence', 'No evidence has this path.');
}
