import { loadTrustRoot, updateTrustRoot, watchMissing } from '@margo-trust/client';
import { Fault } from '@margo-trust/fault';
import type { TufSnapshot } from '@margo-trust/tuf';
import { vendorTargets } from '@margo-trust/verifier';
import { CliFault } from './fault.ts';
import { readInput } from './files.ts';
import type { Session } from './session.ts';

export interface TrustRootRequest {
  /** Takes the trust root as it lies on the disk. Otherwise it is brought up to date first. */
  readonly offline: boolean;
  /** File with the initial root; default: the one kept in the directory. */
  readonly root?: string | undefined;
}

/** The session's trust root; `missed` are targets to fetch into one that does not hold everything. */
export async function openTrustRoot(
  session: Session,
  { offline, root }: TrustRootRequest,
  missed: readonly string[] = [],
): Promise<TufSnapshot> {
  const directory = session.trustRootDirectory;
  const now = session.io.now();
  const given = root === undefined ? {} : { initialRoot: await readInitialRoot(root) };
  if (offline) return loadTrustRoot(directory, { now, ...given });
  session.printer.progress('updating the trust root');
  const source = `${await session.registryUrl()}/tuf`;
  const keep = missed.length > 0 && { keep: missed };
  return (await updateTrustRoot({ source, directory, now, ...given, ...keep })).snapshot;
}

/**
 * What `work` makes of the session's trust root. Where that holds the files of some vendors only, it is done again after fetching
 * what it missed; offline it has to do without.
 */
export async function withTrustRoot<T>(
  session: Session,
  request: TrustRootRequest,
  work: (snapshot: TufSnapshot) => Promise<T>,
): Promise<T> {
  const fetched = new Set<string>();
  for (;;) {
    const { snapshot, missing } = watchMissing(await openTrustRoot(session, request, [...fetched]));
    const isDone = (): boolean => request.offline || missing.size === 0;
    try {
      const made = await work(snapshot);
      if (isDone()) return made;
    } catch (error) {
      if (isDone() || !(error instanceof Fault)) throw error;
    }
    for (const name of missing) {
      // An update fetches it or faults.
      if (fetched.has(name)) throw new Error(`${name} is missing after it was fetched.`);
      for (const one of [name, name.replace('live.vendors.', 'live.revoked.')]) fetched.add(one);
    }
  }
}

/** The targets of vendors, each named by id or URI. */
export function targetsOfVendors(vendors: readonly string[]): string[] {
  return vendors.flatMap((vendor) => vendorTargets(readVendorId(vendor)));
}

export function readVendorId(vendor: string): string {
  const id = /^(?:https:\/\/)?([0-9a-z-]{1,63})(?:$|\.vendors\.)/.exec(vendor.toLowerCase())?.[1];
  if (id !== undefined) return id;
  throw new CliFault('cli/bad-usage', `${vendor} is neither the id nor the URI of a vendor.`, 'Check how it is spelt.');
}

export function readInitialRoot(path: string): Promise<Uint8Array> {
  return readInput(path, 'initial root', 512_000);
}
