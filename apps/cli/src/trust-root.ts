import { loadTrustRoot, updateTrustRoot } from '@margo-trust/client';
import type { TufSnapshot } from '@margo-trust/tuf';
import { readInput } from './files.ts';
import type { Session } from './session.ts';

export interface TrustRootRequest {
  /** Takes the trust root as it lies on the disk. Otherwise it is brought up to date first. */
  readonly offline: boolean;
  /** File with the initial root; default: the one kept in the directory. */
  readonly root?: string | undefined;
}

/** The session's trust root. */
export async function openTrustRoot(session: Session, { offline, root }: TrustRootRequest): Promise<TufSnapshot> {
  const directory = session.trustRootDirectory;
  const now = session.io.now();
  const given = root === undefined ? {} : { initialRoot: await readInitialRoot(root) };
  if (offline) return loadTrustRoot(directory, { now, ...given });
  session.printer.progress('updating the trust root');
  const source = `${await session.registryUrl()}/tuf`;
  return (await updateTrustRoot({ source, directory, now, ...given })).snapshot;
}

export function readInitialRoot(path: string): Promise<Uint8Array> {
  return readInput(path, 'initial root', 512_000);
}
