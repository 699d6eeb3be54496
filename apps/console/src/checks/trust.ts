import {
  metadataPath,
  openTargets,
  refreshTuf,
  targetPath,
  type TrustedMetadata,
  type TufSnapshot,
} from '@margo-trust/tuf';
import {
  parseTrustRoot,
  REVOCATION_FILTER,
  revokedShard,
  vendorShard,
  type PublishedVendor,
  type TrustRoot,
} from '@margo-trust/verifier';
import { ApiProblem } from '../api.ts';
import { findKnownTrust, keepTrust, type Memory } from '../memory.ts';
import type { Source } from './source.ts';

/** What the checks rest on: the signed set that TUF delivers to devices too. */
export interface Trust extends TrustRoot {
  rootVersion: number;
  /** When this browser first took this registry's root for good. Equal to now on a first visit. */
  firstSeen: Date;
  snapshot: TufSnapshot;
  metadata: TrustedMetadata;
}

const TRUST_ROOT = 'margo.trust-root.v1.json';
const REVOCATIONS = 'live.revocations.v1.json';

/**
 * Fetches and verifies the TUF repository (TUF specification §5). It starts from the root that this browser accepted on
 * an earlier visit; on the first visit it has nothing but the registry's own word, and `firstSeen` says so. Expired roles
 * are reported, not refused: the page says what is stale.
 */
export async function loadTrust(source: Source, memory: Memory, now: Date): Promise<Trust> {
  const known = findKnownTrust(memory);
  const initialRoot = known?.root ?? (await source.tufFile(metadataPath('root', 1)));
  const metadata = await refresh(source, initialRoot, known?.files ?? new Map(), now);
  const firstSeen = known?.firstSeen ?? now;
  keepTrust(memory, { root: metadata.root.bytes, files: rememberedFiles(metadata), firstSeen });

  const files = await loadTargets(source, openTargets(metadata, {}), [TRUST_ROOT, REVOCATIONS, REVOCATION_FILTER]);
  const snapshot = openTargets(metadata, files);
  return { ...parseTrustRoot(snapshot), rootVersion: metadata.root.signed.version, firstSeen, snapshot, metadata };
}

/** The same trust root with what it says about a vendor at hand: `findVendor` knows the vendor if anybody does. */
export async function withVendor(source: Source, trust: Trust, vendorId: string): Promise<TrustRoot> {
  const files = await loadTargets(source, trust.snapshot, [vendorShard(vendorId), revokedShard(vendorId)]);
  return parseTrustRoot(openTargets(trust.metadata, { ...trust.snapshot.set.files, ...files }));
}

/** What the trust root says about a vendor now; `undefined` when it doesn't know it. */
export async function findTrustedVendor(
  source: Source,
  trust: Trust,
  id: string,
): Promise<PublishedVendor | undefined> {
  return (await withVendor(source, trust, id)).findVendor(id);
}

/** Carries out the steps of an update; a file that is not there is an answer, anything else that goes wrong is not. */
async function refresh(
  source: Source,
  initialRoot: Uint8Array,
  kept: ReadonlyMap<string, Uint8Array>,
  now: Date,
): Promise<TrustedMetadata> {
  const steps = refreshTuf({ initialRoot, kept }, { now, expired: 'report' });
  let step = steps.next();
  while (!step.done) {
    // Nothing is kept while the update runs, so there is nothing to forget.
    step = steps.next(step.value.kind === 'fetch' ? await findFile(source, step.value.path) : undefined);
  }
  return step.value;
}

async function findFile(source: Source, path: string): Promise<Uint8Array | undefined> {
  try {
    return await source.tufFile(path);
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 404) return undefined;
    throw error;
  }
}

/** The target files of these names, as far as somebody vouches for them. They are checked when they are opened. */
async function loadTargets(
  source: Source,
  snapshot: TufSnapshot,
  names: readonly string[],
): Promise<Record<string, Uint8Array>> {
  const files = names.map(async (name) => {
    const target = snapshot.findTarget(name);
    return target ? [[name, await source.tufFile(targetPath(name, target))] as const] : [];
  });
  return Object.fromEntries((await Promise.all(files)).flat());
}

function rememberedFiles({ timestamp, snapshot }: TrustedMetadata): ReadonlyMap<string, Uint8Array> {
  return new Map([
    [metadataPath('timestamp', timestamp.signed.version), timestamp.bytes],
    [metadataPath('snapshot', snapshot.signed.version), snapshot.bytes],
  ]);
}
