import { encodeHex, encodeUtf8, parseBase64Url, parseHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import type { PublicKey } from '@margo-trust/crypto';
import type { ReceiptKey } from '@margo-trust/receipt';
import type { Claims } from '@margo-trust/statement';
import {
  ML_DSA_44_COSIGNATURE,
  parsePolicy,
  parseVerifierKey,
  type CheckpointKey,
  type Policy,
  type VerifierKey,
} from '@margo-trust/tlog';
import { FilterFault, openRevocationFilter, type RevocationFilter } from '@margo-trust/revocation-filter';
import type { StaleRole, TufSnapshot } from '@margo-trust/tuf';
import { VerifyFault } from './fault.ts';
import { JsonReader } from './json.ts';

/** A trust anchor and what it is good for. */
export interface Anchor {
  readonly name: string;
  readonly certificate: Uint8Array;
  /** Signatures with trusted time outside this window do not count. */
  readonly validFrom: Date;
  readonly validUntil?: Date;
}

/** The CA of a time-stamping authority. */
export interface TimestampAnchor extends Anchor {
  /** The authority's own certificate, for clients that do not take it from the token; absent in older trust roots. */
  readonly authority?: Uint8Array;
}

/** Whether signatures with this trusted time count under the anchor. */
export function isWithinWindow({ validFrom, validUntil }: Anchor, at: Date): boolean {
  return validFrom <= at && (validUntil === undefined || at < validUntil);
}

/** Whether an entry must be shown to be witnessed to count, or whether the verdict merely says so. */
export type WitnessDemand = 'required' | 'reported';

/** Who keeps the log from showing different trees to different people (C2SP tlog-policy). */
export interface Witnessing {
  readonly policy: Policy;
  readonly demand: WitnessDemand;
}

export interface TrustedLog {
  readonly origin: string;
  /** What is hashed into a leaf. */
  readonly leafFormat: 'cose-digest' | 'cose-raw';
  /** Of checkpoints from now on. */
  readonly checkpointKey: VerifierKey;
  /** All that checkpoints verify with from now on: `checkpointKey`, and an ML-DSA-44 key if the log has one. */
  readonly checkpointKeys: readonly VerifierKey[];
  /** Every Ed25519 key of checkpoints there was, the first one first, each with the tree sizes that it speaks for. */
  readonly checkpointHistory: readonly CheckpointKey[];
  /** The same of its ML-DSA-44 keys; none where it never had one. */
  readonly mlDsa44History: readonly CheckpointKey[];
  /** Absent where the log had no witnesses when the trust root was made. */
  readonly witnessing?: Witnessing;
  /** What its promises in certificates (SCTs, RFC 6962) verify with; absent in older trust roots. */
  readonly sctKey?: PublicKey;
  /** Every key of that purpose, `sctKey` first; `until` is when it was replaced. */
  readonly sctKeys: readonly { readonly key: PublicKey; readonly until?: Date }[];
  readonly receiptKeys: readonly ReceiptKey[];
}

/** A key that signs the registry's own statements: governance records. */
export interface RecordKey {
  readonly kid: Uint8Array;
  readonly key: PublicKey;
  readonly validFrom: Date;
  /** By origin of a log: its entries from this index on were not signed with this key any more. */
  readonly retired?: ReadonlyMap<string, bigint>;
}

/** Whether the key signed records at that place of a log. */
export function isRecordKeyAt({ retired }: RecordKey, { origin, index }: { origin: string; index: bigint }): boolean {
  const end = retired?.get(origin);
  return end === undefined || index < end;
}

/** A vendor as the online role publishes it; it counts only with the evidence in `record`. */
export interface PublishedVendor {
  readonly id: string;
  readonly uri: string;
  readonly legalName: string;
  readonly status: 'active' | 'suspended';
  readonly claims: Claims;
  /** Transparent statement of the admission. */
  readonly record: Uint8Array;
  /** OpenPGP keys, which no verdict of ours rests on; each counts with its own evidence. */
  readonly openpgpKeys: readonly PublishedOpenpgpKey[];
  /** CAs and signing certificates of its own. */
  readonly anchors: readonly PublishedAnchor[];
}

/** An OpenPGP key that a vendor has registered. */
export interface PublishedOpenpgpKey {
  readonly key: Uint8Array;
  /** Transparent statement of the registration. */
  readonly record: Uint8Array;
}

/** A registered anchor as the online role publishes it; it counts only with the evidence in `record`. */
export interface PublishedAnchor {
  /** Transparent statement of the registration. */
  readonly record: Uint8Array;
  /** From then on it counts no more; what was signed before stands. */
  readonly withdrawnAt?: Date;
}

/** A device manufacturer's CA as the online role publishes it: one of its anchors, beside those in its vendor's file. */
export interface PublishedDeviceCa extends PublishedAnchor {
  /** URI of the vendor. */
  readonly vendorUri: string;
}

/** One revocation. Without `from`, every signature is refused whatever its time. */
export interface Revocation {
  readonly reason: string;
  readonly from?: Date;
}

/** A withdrawn artifact: only signatures of that vendor are refused, or everybody's. */
export interface Withdrawal extends Revocation {
  readonly vendorId?: string;
}

export interface RevocationList {
  readonly sequence: number;
  readonly asOf: Date;
  readonly logSize: number;
  /** By SHA-256 of the certificate, hex: those that no vendor's file names. */
  readonly certificates: ReadonlyMap<string, Revocation>;
  /** By SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly keys: ReadonlyMap<string, Revocation>;
  /** CAs, by SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly issuers: ReadonlyMap<string, Revocation>;
  /** By vendor id. */
  readonly vendors: ReadonlyMap<string, Revocation>;
  /** By digest as text. */
  readonly digests: ReadonlyMap<string, readonly Withdrawal[]>;
}

/** What grants trust: `margo.trust-root.v1.json`, which is also the payload of the second entry of the log. */
export interface TrustRootDocument {
  /** `https://<domain>`. */
  readonly registry: string;
  readonly domain: string;
  readonly anchors: readonly Anchor[];
  readonly intermediates: readonly Uint8Array[];
  readonly timestampAnchors: readonly TimestampAnchor[];
  readonly logs: readonly TrustedLog[];
  readonly records: readonly RecordKey[];
}

/** What a device trusts, as TUF delivered it. */
export interface TrustRoot extends TrustRootDocument {
  readonly revocations: RevocationList;
  /** Roles whose metadata has expired by the clock that opened the snapshot. Reported, never judged here. */
  readonly stale: readonly StaleRole[];
  /** The log's checkpoint as the trust root carries it, cosigned where there are witnesses; unchecked. */
  readonly checkpoint?: Uint8Array;
  /** Tells which of the issued certificates are revoked; absent in older trust roots, and where it was left out. */
  readonly filter?: RevocationFilter;
  /** Looks a vendor up by id in its shard; the caller checks its evidence. */
  findVendor(id: string): PublishedVendor | undefined;
  /** CAs of devices' birth certificates (IEEE 802.1AR); none where there is no such file. The caller checks their evidence. */
  deviceCas(): readonly PublishedDeviceCa[];
  /**
   * Since when and why a certificate is revoked, by its SHA-256, hex. `unknown` when that stands in a file that the trust root
   * names and that is not at hand.
   */
  findRevocation(vendorId: string, fingerprint: string): Revocation | 'unknown' | undefined;
}

const TRUST_ROOT = 'margo.trust-root.v1.json';
const REVOCATIONS = 'live.revocations.v1.json';
const CHECKPOINT = 'live.checkpoint';
const DEVICE_CAS = 'live.device-cas.json';
const MAX_BYTES = 16 << 20;
/** Of one vendor, withdrawn ones included. */
const MAX_ANCHORS = 1_000;

/** Reads the Margo targets out of an accepted TUF snapshot (trust-roots page of the documentation, "Targets"). */
export function parseTrustRoot(tuf: TufSnapshot): TrustRoot {
  // Bundles of earlier versions do not carry it.
  const checkpoint = Object.hasOwn(tuf.set.files, CHECKPOINT) ? tuf.target(CHECKPOINT) : undefined;
  const revocations = readRevocations(open(tuf.target(REVOCATIONS), REVOCATIONS));
  const filter = openFilter(tuf);
  return {
    ...parseTrustRootDocument(tuf.target(TRUST_ROOT)),
    revocations,
    ...(filter && { filter }),
    stale: tuf.stale ?? [],
    ...(checkpoint && { checkpoint }),
    findVendor: (id) => findVendor(tuf, id),
    deviceCas: deviceCaReader(tuf),
    findRevocation: revocationFinder(tuf, revocations),
  };
}

/** Read when it is first asked for. */
function deviceCaReader(tuf: TufSnapshot): TrustRoot['deviceCas'] {
  let read: readonly PublishedDeviceCa[] | undefined;
  return () => {
    if (read !== undefined || !tuf.findTarget(DEVICE_CAS)) return read ?? [];
    const json = open(tuf.target(DEVICE_CAS), DEVICE_CAS);
    json.get('type').oneOf('margo.device-cas.v1');
    return (read = json
      .get('cas')
      .list(100_000)
      .map((item) => ({ vendorUri: item.get('uri').text(), ...readPublishedAnchor(item) })));
  };
}

/** Looks certificates up in the list, then in the file of their vendor; files that were read are remembered. */
function revocationFinder(tuf: TufSnapshot, { certificates }: RevocationList): TrustRoot['findRevocation'] {
  const shards = new Map<string, ReadonlyMap<string, Revocation>>();
  return (vendorId, fingerprint) => {
    const listed = certificates.get(fingerprint);
    const name = revokedShard(vendorId);
    if (listed || !tuf.findTarget(name)) return listed;
    if (!Object.hasOwn(tuf.set.files, name)) return 'unknown';
    const known = shards.get(name) ?? readRevoked(open(tuf.target(name), name));
    shards.set(name, known); // 256 at most
    return known.get(fingerprint);
  };
}

/** Reads what grants trust. Whoever signed for these bytes is the caller's concern. */
export function parseTrustRootDocument(bytes: Uint8Array): TrustRootDocument {
  const json = open(bytes, TRUST_ROOT);
  json.get('type').oneOf('margo.trust-root.v1');
  const purpose = json.get('anchors').list(256);
  return {
    registry: json.get('registry').text(),
    domain: json.get('domain').text(253),
    anchors: purpose.filter((anchor) => anchor.get('purpose').text() === 'artifact-signing').map(readAnchor),
    intermediates: json
      .get('intermediates')
      .list(256)
      .map((item) => item.get('certificate').bytes(65536)),
    timestampAnchors: json.get('tsa').list(64).map(readTimestampAnchor),
    logs: json.get('logs').list(64).map(readLog),
    records: json.get('records').list(64).map(readRecordKey),
  };
}

/** The target that holds a vendor's record: shards by the first byte of SHA-256 over the vendor id. */
export function vendorShard(vendorId: string): string {
  return `live.vendors.${encodeHex(sha256(encodeUtf8(vendorId)).subarray(0, 1))}.json`;
}

/** The target that holds since when and why certificates of a vendor are revoked: shards as those of vendors. */
export function revokedShard(vendorId: string): string {
  return `live.revoked.${encodeHex(sha256(encodeUtf8(vendorId)).subarray(0, 1))}.json`;
}

/** The target that tells which certificates are revoked. */
export const REVOCATION_FILTER = 'live.revoked.filter';

/** The targets that every verdict reads. */
export const COMMON_TARGETS: readonly string[] = [TRUST_ROOT, REVOCATIONS, REVOCATION_FILTER, CHECKPOINT];

/** The targets that a verdict on this vendor reads beside them; either may be missing where it would say nothing. */
export function vendorTargets(vendorId: string): readonly string[] {
  return [vendorShard(vendorId), revokedShard(vendorId)];
}

function openFilter(tuf: TufSnapshot): RevocationFilter | undefined {
  if (!tuf.findTarget(REVOCATION_FILTER) || !Object.hasOwn(tuf.set.files, REVOCATION_FILTER)) return undefined;
  try {
    return openRevocationFilter(tuf.target(REVOCATION_FILTER));
  } catch (error) {
    if (!(error instanceof FilterFault)) throw error;
    throw new VerifyFault('verify/bad-trust-root', `${REVOCATION_FILTER}: ${error.message}`, { cause: error });
  }
}

function readRevoked(json: JsonReader): ReadonlyMap<string, Revocation> {
  json.get('type').oneOf('margo.revoked.v1');
  return readTable(json, 'certificates', 'fingerprint', (text) => encodeHex(parseHex(text)));
}

function findVendor(tuf: TufSnapshot, id: string): PublishedVendor | undefined {
  const name = vendorShard(id);
  if (!tuf.findTarget(name)) return undefined;
  const json = open(tuf.target(name), name);
  json.get('type').oneOf('margo.vendors.v1');
  const found = json
    .get('vendors')
    .list(100_000)
    .find((vendor) => vendor.get('id').value === id);
  return found && readVendor(found);
}

function readVendor(json: JsonReader): PublishedVendor {
  const claims = json.get('claims');
  return {
    id: json.get('id').text(64),
    uri: json.get('uri').text(),
    legalName: json.get('legalName').text(256),
    status: json.get('status').oneOf('active', 'suspended'),
    claims: readClaims(claims),
    record: json.get('record').bytes(1 << 20),
    openpgpKeys: json.get('openpgpKeys').optional((list) => list.list(64).map(readOpenpgpKey)) ?? [],
    anchors: json.get('anchors').optional((list) => list.list(MAX_ANCHORS).map(readPublishedAnchor)) ?? [],
  };
}

function readOpenpgpKey(json: JsonReader): PublishedOpenpgpKey {
  return { key: json.get('key').bytes(1 << 16), record: json.get('record').bytes(1 << 20) };
}

function readPublishedAnchor(json: JsonReader): PublishedAnchor {
  const withdrawnAt = json.get('withdrawnAt').optional((item) => item.time());
  return { record: json.get('record').bytes(1 << 20), ...(withdrawnAt && { withdrawnAt }) };
}

export function readClaims(json: JsonReader): Claims {
  return {
    applicationIdPrefixes: json.get('applicationIdPrefixes').texts(1000),
    ociNamespaces: json.get('ociNamespaces').texts(1000),
  };
}

function readAnchor(json: JsonReader): Anchor {
  const validUntil = json.get('validUntil').optional((item) => item.time());
  return {
    name: json.get('name').text(64),
    certificate: json.get('certificate').bytes(65536),
    validFrom: json.get('validFrom').time(),
    ...(validUntil && { validUntil }),
  };
}

function readTimestampAnchor(json: JsonReader): TimestampAnchor {
  const authority = json.get('authority').optional((item) => item.bytes(65536));
  return { ...readAnchor(json), ...(authority && { authority }) };
}

function readLog(json: JsonReader): TrustedLog {
  const origin = json.get('origin').text(253);
  const leafFormat = json.get('leafFormat').oneOf('cose-digest', 'cose-raw');
  const sctKey = json.get('sctKey').optional((item) => item.publicKey());
  const checkpointKey = parseVerifierKey(json.get('checkpointKey').text());
  const others = json.get('checkpointKeys').optional((item) => item.texts(64, MAX_VERIFIER_KEY).map(parseVerifierKey));
  const witnessing = json.get('witnessing').optional(readWitnessing);
  const [history, mlDsa44History] = ['checkpointHistory', 'mlDsa44History'].map((name) =>
    json.get(name).optional((list) => list.list(64).map(readCheckpointKey)),
  );
  const sctKeys = json.get('sctKeys').optional((list) => list.list(64).map(readSctKey));
  return {
    origin,
    leafFormat,
    checkpointKey,
    checkpointKeys: others ?? [checkpointKey],
    checkpointHistory: history ?? [{ key: checkpointKey, fromSize: 0n }],
    mlDsa44History:
      mlDsa44History ??
      (others ?? []).filter(({ type }) => type === ML_DSA_44_COSIGNATURE).map((key) => ({ key, fromSize: 0n })),
    ...(witnessing && { witnessing }),
    ...(sctKey && { sctKey }),
    sctKeys: sctKeys ?? (sctKey ? [{ key: sctKey }] : []),
    receiptKeys: json
      .get('receiptKeys')
      .list(64)
      .map((key) => ({
        kid: parseBase64Url(key.get('kid').text(128)),
        key: key.get('spki').publicKey(),
        issuer: key.get('issuer').text(),
        origin,
        leafFormat,
        ...readWindow(key),
      })),
  };
}

function readWitnessing(json: JsonReader): Witnessing {
  return {
    policy: parsePolicy(encodeUtf8(json.get('policy').text(MAX_POLICY))),
    demand: json.get('demand').oneOf('required', 'reported'),
  };
}

function readCheckpointKey(json: JsonReader): CheckpointKey {
  return { key: parseVerifierKey(json.get('key').text(MAX_VERIFIER_KEY)), fromSize: 0n, ...readWindow(json) };
}

function readSctKey(json: JsonReader): TrustedLog['sctKeys'][number] {
  const until = json.get('validUntil').optional((item) => item.time());
  return { key: json.get('spki').publicKey(), ...(until && { until }) };
}

/** Tree sizes as numbers; both may be missing. */
function readWindow(json: JsonReader): { readonly fromSize?: bigint; readonly untilSize?: bigint } {
  const [fromSize, untilSize] = ['fromSize', 'untilSize'].map((name) =>
    json.get(name).optional((item) => BigInt(item.count())),
  );
  return { ...(fromSize !== undefined && { fromSize }), ...(untilSize !== undefined && { untilSize }) };
}

function readRecordKey(json: JsonReader): RecordKey {
  const retired = json
    .get('retired')
    .optional(
      (list) =>
        new Map(list.list(64).map((item) => [item.get('log').text(253), BigInt(item.get('index').count())] as const)),
    );
  return {
    kid: parseBase64Url(json.get('kid').text(128)),
    key: json.get('spki').publicKey(),
    validFrom: json.get('validFrom').time(),
    ...(retired && { retired }),
  };
}

function readRevocations(json: JsonReader): RevocationList {
  json.get('type').oneOf('margo.revocations.v1');
  const table = (name: string, key: string, check: (text: string) => string) => readTable(json, name, key, check);
  return {
    sequence: json.get('sequence').count(),
    asOf: json.get('asOf').time(),
    logSize: json.get('logSize').count(),
    certificates: table('certificates', 'fingerprint', (text) => encodeHex(parseHex(text))),
    keys: table('keys', 'spki', (text) => encodeHex(parseHex(text))),
    issuers: json.get('issuers').isAbsent
      ? new Map<string, Revocation>() // older lists
      : table('issuers', 'spki', (text) => encodeHex(parseHex(text))),
    vendors: table('vendors', 'id', (text) => text),
    digests: readWithdrawals(json.get('digests')),
  };
}

function readTable(
  json: JsonReader,
  name: string,
  key: string,
  check: (text: string) => string,
): ReadonlyMap<string, Revocation> {
  const items = json.get(name).list(1_000_000);
  return new Map(items.map((item) => [check(item.get(key).text(512)), readRevocation(item)] as const));
}

function readWithdrawals(json: JsonReader): Map<string, readonly Withdrawal[]> {
  const found = new Map<string, Withdrawal[]>();
  for (const item of json.list(1_000_000)) {
    const vendorId = item.get('vendor').optional((vendor) => vendor.text(64));
    const withdrawal = { ...readRevocation(item), ...(vendorId !== undefined && { vendorId }) };
    const digest = item.get('digest').text(512);
    const known = found.get(digest);
    if (known) known.push(withdrawal);
    else found.set(digest, [withdrawal]);
  }
  return found;
}

/** RFC 5280 reasons that leave older signatures standing count from the revocation, others from the invalidity date. */
function readRevocation(json: JsonReader): Revocation {
  const reason = json.get('reason').text(64);
  const invalidityDate = json.get('invalidityDate').optional((item) => item.time());
  const revokedAt = json.get('revokedAt').time();
  const from = invalidityDate ?? (KEEPS_OLDER.includes(reason) ? revokedAt : undefined);
  return { reason, ...(from && { from }) };
}

/** An ML-DSA-44 key has 1312 bytes; a policy may name many. */
const MAX_VERIFIER_KEY = 4096;
const MAX_POLICY = 1 << 20;
const KEEPS_OLDER = ['superseded', 'affiliationChanged', 'cessationOfOperation'];

function open(bytes: Uint8Array, name: string): JsonReader {
  return JsonReader.parse(
    bytes,
    name,
    { maxBytes: MAX_BYTES },
    (message) => new VerifyFault('verify/bad-trust-root', message),
  );
}
