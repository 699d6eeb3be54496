import { MargoFault } from './fault.ts';
import { parseTar, type TarEntry } from './tar.ts';
import { quote } from './yaml.ts';

/** A Compose Archive, looked into but not extracted. */
export interface ComposeArchive {
  /** Its top-level directory. */
  readonly directory: string;
  /** The file `compose.yaml`. */
  readonly compose: Uint8Array;
  readonly findings: readonly string[];
}

export interface ChartArchive {
  /** Its top-level directory: the chart's name. */
  readonly directory: string;
  /** The file `Chart.yaml`. */
  readonly chart: Uint8Array;
  /** The file `values.yaml`, if the chart has one. */
  readonly values?: Uint8Array;
}

/**
 * Looks into the tar (already decompressed) of a Compose Archive: one top-level directory with `compose.yaml` in it.
 *
 * An archive that could write outside its directory when extracted (absolute paths, `..`, links that leave it, devices,
 * setuid or setgid files) is refused, as Margo asks of everyone who opens one.
 */
export function parseComposeArchive(tar: Uint8Array): ComposeArchive {
  const entries = parseTar(tar);
  const directory = topDirectory(entries);
  const findings: string[] = [];
  let compose = fileAt(entries, `${directory}/compose.yaml`);
  for (const name of ['compose.yml', 'docker-compose.yaml', 'docker-compose.yml']) {
    if (compose) break;
    compose = fileAt(entries, `${directory}/${name}`);
    if (compose) findings.push(`The Compose file is called ${name}; it must be compose.yaml.`);
  }
  if (!compose) throw new MargoFault('margo/not-a-compose-file', 'The archive has no compose.yaml in its directory.');
  return { directory, compose, findings };
}

/** Looks into the tar (already decompressed) of a Helm chart as `helm package` makes it. Refuses what {@link parseComposeArchive} does. */
export function parseChartArchive(tar: Uint8Array): ChartArchive {
  const entries = parseTar(tar);
  const directory = topDirectory(entries);
  const chart = fileAt(entries, `${directory}/Chart.yaml`);
  if (!chart) throw new MargoFault('margo/not-a-chart', 'The archive has no Chart.yaml in its directory.');
  const values = fileAt(entries, `${directory}/values.yaml`);
  return { directory, chart, ...(values && { values }) };
}

function topDirectory(entries: readonly TarEntry[]): string {
  const tops = new Set<string>();
  const symlinks = new Set(entries.flatMap((entry) => (entry.type === 'symlink' ? partsOf(entry.path).join('/') : [])));
  for (const entry of entries) {
    const parts = safeParts(entry, symlinks);
    const top = parts[0];
    if (top === undefined) continue; // "./" itself
    if (parts.length === 1 && entry.type !== 'directory') {
      throw new MargoFault('margo/bad-archive', `${quote(entry.path)} lies outside the archive's top-level directory.`);
    }
    tops.add(top);
  }
  const [top, ...others] = tops;
  if (top === undefined || others.length > 0) {
    throw new MargoFault('margo/bad-archive', 'The archive must have exactly one top-level directory.');
  }
  return top;
}

function safeParts(entry: TarEntry, symlinks: ReadonlySet<string>): string[] {
  const parts = partsOf(entry.path);
  const unsafe =
    entry.path.startsWith('/') ||
    parts.includes('..') ||
    entry.type === 'other' ||
    (entry.mode & 0o6000) !== 0 ||
    parts.some((_, depth) => depth > 0 && symlinks.has(parts.slice(0, depth).join('/'))) ||
    (entry.type === 'symlink' && escapes(entry.linkTarget ?? '', parts.slice(0, -1), parts[0])) ||
    (entry.type === 'link' && escapes(entry.linkTarget ?? '', [], parts[0]));
  if (unsafe)
    throw new MargoFault('margo/unsafe-archive', `The archive's entry ${quote(entry.path)} is not safe to extract.`);
  return parts;
}

/**
 * A symbolic link counts from where it lies, a hard link from the archive's root. `..` is followed only at the start of
 * a target: behind a name that may itself be a link, it leads nobody knows where.
 */
function escapes(target: string, from: readonly string[], top: string | undefined): boolean {
  const parts = partsOf(target);
  const up = parts.findIndex((part) => part !== '..');
  const down = up < 0 ? [] : parts.slice(up);
  if (target.startsWith('/') || target.includes('\\') || down.includes('..')) return true;
  const path = [...from.slice(0, Math.max(0, from.length - (parts.length - down.length))), ...down];
  return path[0] !== top;
}

/** The last entry of a name wins, as it does when extracting. */
function fileAt(entries: readonly TarEntry[], path: string): Uint8Array | undefined {
  const entry = entries.findLast((candidate) => partsOf(candidate.path).join('/') === path);
  return entry?.type === 'file' ? entry.content : undefined;
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
