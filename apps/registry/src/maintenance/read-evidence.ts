import {
  EVIDENCE_REVISIONS_PATH,
  evidencePath,
  findEvidenceRevision,
  parseEvidence,
  revisedEvidencePath,
  type LogEvidence,
} from '@margo-trust/auditor';

const WIDTH = 256n;
/** 256 statements of full size with their chains. */
const BUNDLE_BYTES = 512 << 20;
const REVISIONS_BYTES = 16 << 20;

/** A file of a log by its path below the log's prefix; undefined when there is none. */
export type ReadLogFile = (path: string, maxBytes: number) => Promise<Uint8Array | undefined>;

/**
 * The evidence bundle `index` of a tree of `size`, by its plain name or by the one that a tile store has for a bundle some of whose
 * statements are withheld. Undefined where it is not there, or of other entries.
 */
export async function readEvidence(read: ReadLogFile, index: bigint, size: bigint): Promise<LogEvidence | undefined> {
  const left = size - index * WIDTH;
  const width = Number(left < WIDTH ? left : WIDTH);
  const bytes = (await read(evidencePath(index, width), BUNDLE_BYTES)) ?? (await readRevised(read, index, width));
  const bundle = bytes && parseEvidence(bytes);
  return bundle?.first === index * WIDTH && bundle.rows.length === width ? bundle : undefined;
}

async function readRevised(read: ReadLogFile, index: bigint, width: number): Promise<Uint8Array | undefined> {
  const revisions = await read(EVIDENCE_REVISIONS_PATH, REVISIONS_BYTES);
  const revision = revisions && findEvidenceRevision(revisions, index);
  return revision ? read(revisedEvidencePath(index, width, revision), BUNDLE_BYTES) : undefined;
}
