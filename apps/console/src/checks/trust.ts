import { encodeHex, encodeUtf8, parseBase64, parseBase64Url, parseJson } from '@margo-trust/bytes';
import { parsePublicKey, sha256, type PublicKey } from '@margo-trust/crypto';
import type { ReceiptKey } from '@margo-trust/receipt';
import { parseVerifierKey, type VerifierKey } from '@margo-trust/tlog';
import {
  metadataPath,
  openTargets,
  refreshTuf,
  targetPath,
  type TrustedMetadata,
  type TufSnapshot,
} from '@margo-trust/tuf';
import { ApiProblem } from '../api.ts';
import { findKnownTrust, keepTrust, type Memory } from '../memory.ts';
import type { Source } from './source.ts';
import { NotChecked } from './steps.ts';

/** What the checks rest on: the signed set that TUF delivers to devices too. */
export interface Trust {
  /** `iss` of the registry's own statements. */
  registry: string;
  anchors: Uint8Array[];
  intermediates: Uint8Array[];
  timestampAnchors: Uint8Array[];
  logs: TrustedLog[];
  /** Keys of the registry's own statements. */
  records: { kid: Uint8Array; key: PublicKey }[];
  revocations: RevocationList;
  rootVersion: number;
  /** When this browser first took this registry's root for good. Equal to now on a first visit. */
  firstSeen: Date;
  /** Roles past their date: what they say may be out of date. */
  stale: string[];
  metadata: TrustedMetadata;
}

export interface TrustedLog {
  origin: string;
  checkpointKey: VerifierKey;
  receiptKeys: ReceiptKey[];
}

export interface RevocationList {
  asOf: Date;
  logSize: number;
  certificates: RevokedCertificate[];
  digests: string[];
}

export interface RevokedCertificate {
  fingerprint: string;
  reason: string;
  revokedAt: Date;
  invalidityDate?: Date;
}

export interface TrustedVendor {
  id: string;
  legalName: string;
  status: string;
  /** Transparent statement of the latest record about the vendor. */
  record?: Uint8Array;
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

  const opened = await openWith(source, metadata, [TRUST_ROOT, REVOCATIONS]);
  return {
    ...parseTrustRoot(opened.target(TRUST_ROOT)),
    revocations: parseRevocations(opened.target(REVOCATIONS)),
    rootVersion: metadata.root.signed.version,
    firstSeen,
    stale: metadata.stale.map(({ role }) => role),
    metadata,
  };
}

/** What the trust root says about a vendor now; `undefined` when it doesn't know it. */
export async function findTrustedVendor(source: Source, trust: Trust, id: string): Promise<TrustedVendor | undefined> {
  const shard = encodeHex(sha256(encodeUtf8(id)).subarray(0, 1));
  const name = `live.vendors.${shard}.json`;
  const opened = await openWith(source, trust.metadata, [name]);
  if (!opened.findTarget(name)) return undefined;
  const found = list(object(parseJson(opened.target(name)))['vendors'])
    .map(object)
    .find((vendor) => vendor['id'] === id);
  if (!found) return undefined;
  return {
    id,
    legalName: text(found['legalName']),
    status: text(found['status']),
    ...(typeof found['record'] === 'string' && { record: parseBase64(found['record']) }),
  };
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

/** Metadata with these targets at hand, as far as somebody vouches for them. */
async function openWith(source: Source, metadata: TrustedMetadata, names: readonly string[]): Promise<TufSnapshot> {
  const { findTarget } = openTargets(metadata, {});
  const files = names.map(async (name) => {
    const target = findTarget(name);
    return target ? [[name, await source.tufFile(targetPath(name, target))] as const] : [];
  });
  return openTargets(metadata, Object.fromEntries((await Promise.all(files)).flat()));
}

function rememberedFiles({ timestamp, snapshot }: TrustedMetadata): ReadonlyMap<string, Uint8Array> {
  return new Map([
    [metadataPath('timestamp', timestamp.signed.version), timestamp.bytes],
    [metadataPath('snapshot', snapshot.signed.version), snapshot.bytes],
  ]);
}

function parseTrustRoot(
  bytes: Uint8Array,
): Pick<Trust, 'registry' | 'anchors' | 'intermediates' | 'timestampAnchors' | 'logs' | 'records'> {
  const json = object(parseJson(bytes));
  return {
    registry: text(json['registry']),
    anchors: list(json['anchors']).map(certificateOf),
    intermediates: list(json['intermediates']).map(certificateOf),
    timestampAnchors: list(json['tsa']).map(certificateOf),
    logs: list(json['logs']).map(object).map(parseLog),
    records: list(json['records'])
      .map(object)
      .map((record) => ({
        kid: parseBase64Url(text(record['kid'])),
        key: parsePublicKey(parseBase64(text(record['spki']))),
      })),
  };
}

function parseLog(log: Record<string, unknown>): TrustedLog {
  const origin = text(log['origin']);
  const leafFormat = log['leafFormat'] === 'cose-raw' ? 'cose-raw' : 'cose-digest';
  const receiptKeys = list(log['receiptKeys'])
    .map(object)
    .map(
      (key) =>
        ({
          kid: parseBase64Url(text(key['kid'])),
          key: parsePublicKey(parseBase64(text(key['spki']))),
          issuer: text(key['issuer']),
          origin,
          leafFormat,
        }) satisfies ReceiptKey,
    );
  return { origin, checkpointKey: parseVerifierKey(text(log['checkpointKey'])), receiptKeys };
}

function parseRevocations(bytes: Uint8Array): RevocationList {
  const json = object(parseJson(bytes));
  return {
    asOf: time(json['asOf']),
    logSize: Number(json['logSize']),
    certificates: list(json['certificates'])
      .map(object)
      .map((entry) => ({
        fingerprint: text(entry['fingerprint']),
        reason: text(entry['reason']),
        revokedAt: time(entry['revokedAt']),
        ...(entry['invalidityDate'] !== undefined && { invalidityDate: time(entry['invalidityDate']) }),
      })),
    digests: list(json['digests']).map((entry) => (typeof entry === 'string' ? entry : text(object(entry)['digest']))),
  };
}

function certificateOf(value: unknown): Uint8Array {
  return parseBase64(text(object(value)['certificate']));
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unreadable();
  return value as Record<string, unknown>;
}

function list(value: unknown): unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw unreadable();
  return value;
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw unreadable();
  return value;
}

function time(value: unknown): Date {
  const date = new Date(text(value));
  if (Number.isNaN(date.getTime())) throw unreadable();
  return date;
}

function unreadable(): NotChecked {
  return new NotChecked('The trust root is not in a form that this page reads.');
}
