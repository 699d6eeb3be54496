import { bundlePath, parseTilePath, TlogFault } from '@margo-trust/tlog';
import { AuditorFault } from './fault.ts';

const [OURS, THEIRS] = ['evidence/', 'tile/entries/'];

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

function noSuchPath(): AuditorFault {
  return new AuditorFault('audit/bad-evidence', 'No evidence has this path.');
}
