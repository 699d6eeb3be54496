import {
  AuditorFault,
  EVIDENCE_REVISIONS_PATH,
  evidencePath,
  findEvidenceRevision,
  parseEvidence,
  revisedEvidencePath,
  type LogEvidence,
} from '@margo-trust/auditor';
import type { LogFiles } from './log-files.ts';

/** A bundle as it was fetched. */
export interface FetchedBundle {
  /** Number of the bundle, and how many of its entries the tree holds. */
  readonly index: bigint;
  readonly width: number;
  readonly bytes: Uint8Array;
  readonly evidence: LogEvidence;
}

const WIDTH = 256n;
/** Bundles fetched ahead. */
const AHEAD = 6;
/** 256 statements of full size, with their chains. */
const MAX_BUNDLE_BYTES = 512 << 20;

/** The bundles that hold entries `from` to before `size`, in order, a few of them fetched ahead. */
export async function* walkLog(
  files: Pick<LogFiles, 'load'>,
  from: bigint,
  size: bigint,
): AsyncGenerator<FetchedBundle> {
  const waiting: Promise<FetchedBundle>[] = [];
  let next = from / WIDTH;
  for (;;) {
    while (waiting.length < AHEAD && next * WIDTH < size) {
      const fetched = fetchBundle(files, next, size);
      fetched.catch(() => undefined); // seen when it is its turn
      waiting.push(fetched);
      next += 1n;
    }
    const first = waiting.shift();
    if (!first) return;
    yield await first;
  }
}

async function fetchBundle(files: Pick<LogFiles, 'load'>, index: bigint, size: bigint): Promise<FetchedBundle> {
  const left = size - index * WIDTH;
  const width = left < WIDTH ? Number(left) : Number(WIDTH);
  const bytes = await loadEvidence(files, index, width);
  if (!bytes) throw await missing(files, index, width);
  const evidence = parseEvidence(bytes);
  if (evidence.first !== index * WIDTH || evidence.rows.length !== width) {
    throw new AuditorFault(
      'audit/bad-evidence',
      `The evidence of entries from ${index * WIDTH} on is of other entries.`,
    );
  }
  return { index, width, bytes, evidence };
}

/**
 * By its plain name, or by the one that a tile store has for a bundle some of whose statements are withheld. Twice, since the store may
 * be exchanging one for the other just now.
 */
async function loadEvidence(
  files: Pick<LogFiles, 'load'>,
  index: bigint,
  width: number,
): Promise<Uint8Array | undefined> {
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const plain = await files.load(evidencePath(index, width), MAX_BUNDLE_BYTES);
    if (plain) return plain;
    const revisions = await files.load(EVIDENCE_REVISIONS_PATH, 16 << 20);
    const revision = revisions && findEvidenceRevision(revisions, index);
    if (!revision) continue;
    const revised = await files.load(revisedEvidencePath(index, width, revision), MAX_BUNDLE_BYTES);
    if (revised) return revised;
  }
  return undefined;
}

/** The bundle is not there as a whole: the largest part of it that is there tells which entry is the first to be missing. */
async function missing(files: Pick<LogFiles, 'load'>, index: bigint, width: number): Promise<AuditorFault> {
  let [there, gone] = [0, width];
  while (gone - there > 1) {
    const middle = (there + gone) >> 1;
    if (await loadEvidence(files, index, middle)) there = middle;
    else gone = middle;
  }
  const entry = index * WIDTH + BigInt(there);
  const message = `Entry ${entry} is missing: the checkpoint covers it, and no evidence shows it.`;
  return new AuditorFault('audit/missing-entry', message, { index: entry });
}
