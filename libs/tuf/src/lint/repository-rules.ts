import { encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { metadataPath, targetPath } from '../names.ts';
import { vouchedTargets } from '../open.ts';
import { refreshTuf, type TrustedMetadata } from '../refresh.ts';
import { asObject, type LintDocument } from './document.ts';

/** Findings that need more than one file: where, and what is wrong. */
export type Remark = readonly [path: string, message: string];

/** The file of every version is named by its version, and no root version is missing: a device may hold any of them. */
export function* checkNames(documents: readonly LintDocument[]): Iterable<Remark> {
  for (const { path, signed } of documents) {
    const role = path.replace(/^\d+\./, '').replace(/\.json$/, '');
    if (path !== metadataPath(role, Number(signed['version']))) yield [path, 'The name is not the one of its version.'];
    const isTopLevel = role === 'root' || role === 'timestamp' || role === 'snapshot';
    if (signed['_type'] !== (isTopLevel ? role : 'targets')) yield [path, 'The name is not the one of its type.'];
  }
  const paths = new Set(documents.map(({ path }) => path));
  const last = Math.max(0, ...documents.filter(isOf('root')).map(({ signed }) => Number(signed['version'])));
  for (let version = 1; version <= last; version++) {
    const path = metadataPath('root', version);
    if (!paths.has(path)) yield [path, 'A root version is missing.'];
  }
}

/** A role that was listed once stays listed (TUF specification §5.5.5): clients that have seen it refuse anything else. */
export function* checkSnapshots(documents: readonly LintDocument[]): Iterable<Remark> {
  const snapshots = documents
    .filter(isOf('snapshot'))
    .sort((a, b) => Number(a.signed['version']) - Number(b.signed['version']));
  for (const [i, { path, signed }] of snapshots.entries()) {
    const before = asObject(snapshots[i - 1]?.signed['meta']);
    const meta = asObject(signed['meta']);
    for (const [name, entry] of Object.entries(before)) {
      const was = Number(asObject(entry)['version']);
      if (!(Number(asObject(meta[name])['version']) >= was)) yield [path, `${name} vanished or went back.`];
    }
  }
}

/** A device that starts with the oldest root gets through, and every target is where clients look for it. */
export function* checkUpdate(files: ReadonlyMap<string, Uint8Array>): Iterable<Remark> {
  let trusted: TrustedMetadata;
  let path = metadataPath('root', 1);
  try {
    const initialRoot = files.get(path);
    if (!initialRoot) return; // a missing root version is said already
    // Whether something has expired depends on the day, and is not the repository's shape.
    const refresh = refreshTuf({ initialRoot, kept: new Map() }, { now: new Date(0), expired: 'report' });
    let step = refresh.next();
    while (!step.done) {
      if (step.value.kind === 'fetch') path = step.value.path;
      step = refresh.next(files.get(path));
    }
    trusted = step.value;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    yield [path, error.message];
    return;
  }
  const vouched = vouchedTargets(trusted);
  for (const [name, target] of vouched) {
    const at = targetPath(name, target);
    const bytes = files.get(at);
    if (!bytes) yield [at, 'The file of a target is missing.'];
    else if (bytes.length !== target.length || encodeHex(sha256(bytes)) !== target.hashes.sha256) {
      yield [at, 'The file is not the target that was signed for.'];
    }
  }
  for (const [role, { signed }] of trusted.delegated) {
    for (const name of Object.keys(signed.targets)) {
      if (!vouched.has(name)) yield [metadataPath(role, signed.version), `No delegation covers ${name}.`];
    }
  }
}

function isOf(type: string): (document: LintDocument) => boolean {
  return ({ signed }) => signed['_type'] === type;
}
