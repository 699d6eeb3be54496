import { encodeBase64, encodeBase64Url, encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { parsePublicKey, sha256, type PublicKey } from '@margo-trust/crypto';
import { appendLeaves, emptyRange, hashLeaf, rootOfRange } from '@margo-trust/merkle';
import { encodeReceipt, encodeReceiptProtected, receiptToBeSigned } from '@margo-trust/receipt';
import {
  attachToStatement,
  CONTENT,
  draftArtifactStatement,
  draftStatement,
  encodeJsonPayload,
  encodeRelease,
  finishStatement,
  parseStatement,
  releaseSubject,
  type Draft,
  type Release,
} from '@margo-trust/statement';
import {
  encodeCheckpoint,
  encodeNote,
  encodeVerifierKey,
  inclusionFromTiles,
  tilePath,
  tilesOfAppended,
  verifierKeyId,
} from '@margo-trust/tlog';
import {
  assembleMetadata,
  draftMetadata,
  draftRoot,
  draftSnapshot,
  draftTargets,
  draftTimestamp,
  metadataPath,
  describeTarget,
  encodeTufTime,
  targetPath,
  tufKeyFromSpki,
  tufSignature,
  type Metadata,
  type TufKey,
} from '@margo-trust/tuf';
import {
  assembleSigned,
  encodeTbsCertificate,
  issuingCaProfile,
  leafProfile,
  parseCertificate,
  rootProfile,
  type CertificateSpec,
} from '@margo-trust/x509';
import { ApiProblem } from '../api.ts';
import type { Claimed } from '../checks/entry.ts';
import type { Source } from '../checks/source.ts';
import type { Memory } from '../memory.ts';

/*
 * A registry in a few variables, for tests: real keys, certificates, statements, log and TUF files, made by the same
 * libraries that the service uses. Only the signing is done here, by the platform's own cryptography.
 */

export const NOW = new Date('2026-11-25T21:30:00Z');
export const VENDOR_ID = '01kb3s4c7pxkq6jx5e9v8w2m3n';
export const VENDOR_NAME = 'Northstar Industrial Applications GmbH';
const DOMAIN = 'registry.localhost';
const REGISTRY = `https://${DOMAIN}`;
const VENDOR_URI = `https://${VENDOR_ID}.vendors.${DOMAIN}/`;
const ORIGIN = `log.${DOMAIN}`;

export interface WorldOptions {
  /** What the revocation list says about the vendor's certificate. */
  revoked?: { reason: string; revokedAt: Date; invalidityDate?: Date };
  vendorStatus?: string;
  /** What is left of the claim that the vendor was admitted with. */
  applicationIdPrefixes?: string[];
  revokedDigests?: string[];
  /** Entries beyond those that tell the story. */
  fillers?: number;
}

export interface WorldEntry {
  statement: Uint8Array;
  entryId: string;
  index: number;
  at: Date;
}

export interface World {
  source: Source;
  entries: WorldEntry[];
  release: Release;
  certificate: Uint8Array;
  checkpointKey: string;
  root: Uint8Array;
  /** The claim that the registry would make about an entry, receipt included. */
  claimed(index: number): Promise<Claimed>;
  /** The registry as it will be `fillers` entries later, its keys the same. */
  grown(fillers: number): Promise<World>;
  /** Files as they are served below `/tuf/`. */
  tuf: ReadonlyMap<string, Uint8Array>;
}

/** A memory that lasts as long as the test. */
export function shortMemory(): Memory {
  const kept = new Map<string, string>();
  return {
    load: (name) => kept.get(name),
    keep: (name, value) => void kept.set(name, value),
    forget: () => kept.clear(),
  };
}

interface Key {
  key: PublicKey;
  sign(data: Uint8Array): Promise<Uint8Array>;
}

type Keys = Awaited<ReturnType<typeof makeKeys>>;

export async function makeWorld(options: WorldOptions = {}): Promise<World> {
  return worldOf(await makeKeys(), options);
}

async function worldOf(keys: Keys, options: WorldOptions): Promise<World> {
  const { fillers = 0 } = options;
  const release = sampleRelease();
  const statements = await makeStatements(keys, release, fillers);
  const entries = statements.map((statement, index) => ({
    statement,
    entryId: parseStatement(statement).entryId,
    index,
    at: new Date(NOW.getTime() - (statements.length - index) * 41_000),
  }));
  const log = await makeLog(keys, statements);
  const tuf = await makeTuf(keys, log, options);
  const withReceipt = async (index: number) => {
    const statement = statements[index];
    if (!statement) throw new Error(`There is no entry ${index}.`);
    return attachToStatement(statement, { receipts: [await log.receipt(index)] });
  };
  const source: Source = {
    tufFile: async (path) => served(tuf.get(path)),
    checkpoint: async () => log.note,
    tile: async (path) => served(log.tiles.get(path)),
  };
  return {
    source,
    entries,
    release,
    certificate: keys.chain[0] ?? new Uint8Array(),
    checkpointKey: keys.checkpointKey,
    root: log.root,
    claimed: async (index) => ({
      statement: await withReceipt(index),
      index: BigInt(index),
      entryId: entries[index]?.entryId ?? '',
    }),
    grown: (more) => worldOf(keys, { ...options, fillers: fillers + more }),
    tuf,
  };
}

function served(bytes: Uint8Array | undefined): Uint8Array {
  if (!bytes) throw new ApiProblem(404, 'There is nothing under this address.');
  return bytes;
}

async function makeKeys() {
  const [root, issuing, vendor, record, receipt, tufRoot, tufOnline] = await Promise.all(
    Array.from({ length: 7 }, () => makeKey('P-256')),
  );
  if (!root || !issuing || !vendor || !record || !receipt || !tufRoot || !tufOnline)
    throw new Error('Keys are missing.');
  const checkpoint = await makeKey('Ed25519');
  const chain = await makeChain(root, issuing, vendor);
  const statements = new Map<string, Uint8Array>();
  const checkpointKey = encodeVerifierKey(ORIGIN, checkpoint.key.spki.slice(-32));
  return { record, receipt, vendor, checkpoint, tufRoot, tufOnline, chain, checkpointKey, statements };
}

/** Signatures of ECDSA keys are raw r‖s over SHA-256. */
async function makeKey(type: 'P-256' | 'Ed25519'): Promise<Key> {
  const algorithm = type === 'P-256' ? { name: 'ECDSA', namedCurve: type, hash: 'SHA-256' } : { name: 'Ed25519' };
  const pair = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as CryptoKeyPair;
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey));
  return {
    key: parsePublicKey(spki),
    sign: async (data) =>
      new Uint8Array(await crypto.subtle.sign(algorithm, pair.privateKey, data as Uint8Array<ArrayBuffer>)),
  };
}

async function makeChain(root: Key, issuing: Key, vendor: Key): Promise<Uint8Array[]> {
  const [notBefore, notAfter] = [new Date('2026-11-01T00:00:00Z'), new Date('2027-11-30T00:00:00Z')];
  const common = { notBefore, notAfter };
  const serial = (n: number) => Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 0x41 : i === 15 ? 0 : n * 16 + i));
  const rootDer = await issue(
    rootProfile({
      ...common,
      serial: serial(1),
      subject: { country: 'DE', organization: 'Margo Trust Registry', commonName: 'Margo Trust Root' },
      publicKey: root.key,
    }),
    root,
  );
  const issuingDer = await issue(
    issuingCaProfile({
      ...common,
      serial: serial(2),
      subject: { country: 'DE', organization: 'Margo Trust Registry', commonName: 'Margo Trust Issuing CA 1' },
      publicKey: issuing.key,
      issuer: parseCertificate(rootDer),
      crlUrl: `http://${DOMAIN}/crl/root/0.crl`,
      caIssuersUrl: `http://${DOMAIN}/ca/root.crt`,
    }),
    root,
  );
  const leafDer = await issue(
    leafProfile({
      ...common,
      serial: serial(3),
      subject: {
        country: 'DE',
        state: 'Bavaria',
        organization: VENDOR_NAME,
        commonName: `${VENDOR_NAME} release signing`,
      },
      publicKey: vendor.key,
      issuer: parseCertificate(issuingDer),
      vendorUri: VENDOR_URI,
      registry: REGISTRY,
      assurance: 'software',
      crlUrl: `http://${DOMAIN}/crl/issuing-1/0.crl`,
      caIssuersUrl: `http://${DOMAIN}/ca/issuing-1.crt`,
    }),
    issuing,
  );
  return [leafDer, issuingDer, rootDer];
}

async function issue(spec: CertificateSpec, issuer: Key): Promise<Uint8Array> {
  const tbs = encodeTbsCertificate(spec);
  return assembleSigned(tbs, spec.algorithm, await issuer.sign(tbs));
}

/** Statements are signed once, so that a grown world begins with the same entries. */
async function makeStatements(keys: Keys, release: Release, fillers: number): Promise<Uint8Array[]> {
  const fingerprint = encodeHex(sha256(keys.chain[0] ?? new Uint8Array()));
  const record = (name: string, subject: string, members: object) => async () => {
    const payload = encodeJsonPayload({ record: name, at: '2026-11-25T21:20:00Z', ...members });
    return registryStatement(keys, CONTENT.record, subject, payload);
  };
  const makers: [string, () => Promise<Uint8Array>][] = [
    ['policy', () => registryStatement(keys, CONTENT.policy, REGISTRY, encodeJsonPayload(POLICY))],
    [
      'anchors',
      () =>
        registryStatement(
          keys,
          CONTENT.anchors,
          REGISTRY,
          encodeJsonPayload({
            anchors: [{ name: 'root', fingerprint: encodeHex(sha256(keys.chain[2] ?? new Uint8Array())) }],
          }),
        ),
    ],
    [
      'vendor',
      record('vendor-admitted', `vendor:${VENDOR_ID}`, {
        uri: VENDOR_URI,
        legalName: VENDOR_NAME,
        subject: { C: 'DE', ST: 'Bavaria', O: VENDOR_NAME },
        claims: {
          applicationIdPrefixes: ['com-northstartida-'],
          ociNamespaces: ['northstarida.azurecr.io', 'quay.io/charts'],
        },
      }),
    ],
    [
      'certificate',
      record('certificate-issued', `certificate:${fingerprint}`, { vendor: VENDOR_ID, serial: '41', fingerprint }),
    ],
    ['tuf', record('tuf-published', 'tuf:timestamp:1', { role: 'timestamp', version: 1 })],
    ...[release.package, ...release.components].map((item): [string, () => Promise<Uint8Array>] => [
      item.digest,
      () => artifactStatement(keys, item),
    ]),
    ['release', () => releaseStatement(keys, release)],
    ...Array.from({ length: fillers }, (_, n): [string, () => Promise<Uint8Array>] => [
      `filler ${n}`,
      record('tuf-published', `tuf:timestamp:${n + 2}`, { role: 'timestamp', version: n + 2 }),
    ]),
  ];
  const statements: Uint8Array[] = [];
  for (const [name, make] of makers) {
    const statement = keys.statements.get(name) ?? (await make());
    keys.statements.set(name, statement);
    statements.push(statement);
  }
  return statements;
}

const POLICY = {
  version: 1,
  accepts: ['artifact signatures', 'releases', 'governance records'],
  algorithms: ['ES256', 'ES384', 'PS256', 'PS384'],
  maxStatementBytes: 1048576,
};

function sampleRelease(): Release {
  const digest = (name: string) => `sha256:${encodeHex(sha256(encodeUtf8(name)))}`;
  return {
    applicationId: 'com-northstartida-digitron-orchestrator',
    version: '1.2.1',
    package: {
      name: 'digitron-orchestrator',
      reference: 'northstarida.azurecr.io/apps/digitron-orchestrator:1.2.1',
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: 'application/vnd.margo.app.v1+json',
      digest: digest('package'),
      size: 1127,
    },
    components: [
      {
        name: 'database-services',
        reference: 'quay.io/charts/realtime-database-services:2.3.7',
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        artifactType: 'application/vnd.cncf.helm.config.v1+json',
        digest: digest('chart'),
        size: 812,
      },
      {
        name: 'digitron-orchestrator-compose',
        reference: 'northstarida.azurecr.io/compose/digitron-orchestrator:1.2.1',
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        artifactType: 'application/vnd.org.margo.component.compose+json',
        digest: digest('compose'),
        size: 640,
      },
    ],
    images: [
      {
        reference: 'northstarida.azurecr.io/digitron/orchestrator:1.2.1',
        mediaType: 'application/vnd.oci.image.index.v1+json',
        digest: digest('image'),
        size: 1520,
        manifests: ['linux/amd64', 'linux/arm64'].map((platform) => ({
          platform,
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          digest: digest(platform),
          size: 1001,
        })),
      },
    ],
  };
}

async function registryStatement(
  keys: Keys,
  contentType: string,
  subject: string,
  payload: Uint8Array,
): Promise<Uint8Array> {
  const { key } = keys.record;
  const draft = draftStatement({
    algorithm: 'ES256',
    issuer: REGISTRY,
    subject,
    contentType,
    payload,
    issuedAt: NOW,
    signer: { kid: sha256(key.spki) },
  });
  return finish(draft, keys.record);
}

async function artifactStatement(
  keys: Keys,
  { mediaType, digest, size, artifactType = '' }: Release['package'],
): Promise<Uint8Array> {
  const draft = draftArtifactStatement({
    algorithm: 'ES256',
    issuer: VENDOR_URI,
    subject: `oci:${SHORT_NAMES[artifactType] ?? 'artifact'}:${digest}`,
    target: { mediaType, digest, size },
    signingTime: NOW,
    leafDer: keys.chain[0] ?? new Uint8Array(),
  });
  return finish(draft, keys.vendor, keys.chain);
}

const SHORT_NAMES: Record<string, string> = {
  'application/vnd.margo.app.v1+json': 'app',
  'application/vnd.cncf.helm.config.v1+json': 'helm',
  'application/vnd.org.margo.component.compose+json': 'compose',
};

async function releaseStatement(keys: Keys, release: Release): Promise<Uint8Array> {
  const draft = draftStatement({
    algorithm: 'ES256',
    issuer: VENDOR_URI,
    subject: releaseSubject(release.applicationId, release.version),
    contentType: CONTENT.release,
    payload: encodeRelease(release),
    issuedAt: NOW,
    signer: { leafDer: keys.chain[0] ?? new Uint8Array() },
  });
  return finish(draft, keys.vendor, keys.chain);
}

async function finish(draft: Draft, signer: Key, chain?: readonly Uint8Array[]): Promise<Uint8Array> {
  return finishStatement(draft, await signer.sign(draft.toBeSigned), chain ? { chain } : {});
}

interface Log {
  note: Uint8Array;
  root: Uint8Array;
  size: bigint;
  tiles: ReadonlyMap<string, Uint8Array>;
  receipt(index: number): Promise<Uint8Array>;
}

async function makeLog(keys: Keys, statements: readonly Uint8Array[]): Promise<Log> {
  const leaves = statements.map((statement) => hashLeaf(parseStatement(statement).entry));
  const size = BigInt(leaves.length);
  const root = rootOfRange(appendLeaves(emptyRange(), leaves));
  const tiles = new Map(
    tilesOfAppended(0n, leaves, () => new Uint8Array()).map(({ ref, bytes }) => [tilePath(ref), bytes]),
  );
  const load = (ref: Parameters<typeof tilePath>[0]) => served(tiles.get(tilePath(ref)));
  const text = encodeCheckpoint({ origin: ORIGIN, size, root, extensions: [] });
  const keyHash = verifierKeyId(ORIGIN, keys.checkpoint.key.spki.slice(-32)).slice(0, 4);
  const signature = await keys.checkpoint.sign(encodeUtf8(text));
  const protectedBytes = encodeReceiptProtected({
    kid: sha256(keys.receipt.key.spki),
    issuer: REGISTRY,
    issuedAt: NOW,
    origin: ORIGIN,
    size,
    algorithm: 'ES256',
  });
  const signed = keys.receipt.sign(receiptToBeSigned(protectedBytes, root));
  return {
    note: encodeNote({ text, signatures: [{ name: ORIGIN, keyHash, signature }] }),
    root,
    size,
    tiles,
    receipt: async (index) =>
      encodeReceipt({
        protectedBytes,
        signature: await signed,
        size,
        index: BigInt(index),
        path: inclusionFromTiles(BigInt(index), size, load),
      }),
  };
}

async function makeTuf(keys: Keys, log: Log, options: WorldOptions): Promise<ReadonlyMap<string, Uint8Array>> {
  const [offline, online] = [keys.tufRoot, keys.tufOnline].map((key) => ({
    ...key,
    tuf: tufKeyFromSpki(key.key.spki),
  }));
  if (!offline || !online) throw new Error('Keys are missing.');
  const expires = new Date('2027-01-01T00:00:00Z');
  const role = ({ tuf }: { tuf: TufKey }) => ({ keys: [tuf], threshold: 1 });
  const sign = async (metadata: Metadata, { tuf, sign: signWith }: Key & { tuf: TufKey }) =>
    assembleMetadata(metadata, [tufSignature(tuf, derOf(await signWith(draftMetadata(metadata))))]);

  const granted = { 'margo.trust-root.v1.json': encodeJsonPayload(trustRoot(keys)) };
  const shard = encodeHex(sha256(encodeUtf8(VENDOR_ID)).subarray(0, 1));
  const vendors = encodeJsonPayload({ type: 'margo.vendors.v1', vendors: [await vendorOf(keys, log, options)] });
  const live = {
    'live.revocations.v1.json': encodeJsonPayload(revocations(keys, log, options)),
    [`live.vendors.${shard}.json`]: vendors,
  };
  const root = await sign(
    draftRoot({
      version: 1,
      expires,
      roles: { root: role(offline), targets: role(offline), snapshot: role(online), timestamp: role(online) },
    }),
    offline,
  );
  const delegations = [{ name: 'live', paths: ['live.*'], ...role(online) }];
  const targets = await sign(draftTargets({ version: 1, expires, files: granted, delegations }), offline);
  const version = Number(log.size);
  const liveFile = await sign(draftTargets({ version, expires, files: live }), online);
  const snapshot = await sign(draftSnapshot({ version, expires, roles: { targets, live: liveFile } }), online);
  const timestamp = await sign(draftTimestamp({ version, expires, snapshot }), online);
  const files = Object.entries({ ...granted, ...live }).map(
    ([name, bytes]) => [targetPath(name, describeTarget(bytes)), bytes] as const,
  );
  return new Map([
    [metadataPath('root', 1), root],
    [metadataPath('timestamp', version), timestamp],
    [metadataPath('snapshot', version), snapshot],
    [metadataPath('targets', 1), targets],
    [metadataPath('live', version), liveFile],
    ...files,
  ]);
}

function trustRoot(keys: Keys): object {
  const [, issuing, root] = keys.chain.map(encodeBase64);
  const since = '2026-11-01T00:00:00Z';
  const keyOf = ({ key: { spki } }: Key) => ({
    kid: encodeBase64Url(sha256(spki)),
    spki: encodeBase64(spki),
    validFrom: since,
  });
  return {
    type: 'margo.trust-root.v1',
    registry: REGISTRY,
    domain: DOMAIN,
    profile: 1,
    anchors: [{ name: 'root', purpose: 'artifact-signing', certificate: root, validFrom: since }],
    intermediates: [{ name: 'issuing-1', certificate: issuing }],
    tsa: [],
    logs: [
      {
        origin: ORIGIN,
        leafFormat: 'cose-digest',
        checkpointKey: keys.checkpointKey,
        receiptKeys: [{ ...keyOf(keys.receipt), issuer: REGISTRY }],
      },
    ],
    records: [keyOf(keys.record)],
  };
}

async function vendorOf(
  keys: Keys,
  log: Log,
  { vendorStatus = 'active', applicationIdPrefixes = ['com-northstartida-'] }: WorldOptions,
): Promise<object> {
  const record = keys.statements.get('vendor') ?? new Uint8Array();
  return {
    id: VENDOR_ID,
    uri: VENDOR_URI,
    legalName: VENDOR_NAME,
    status: vendorStatus,
    subject: { C: 'DE', ST: 'Bavaria', O: VENDOR_NAME },
    claims: {
      applicationIdPrefixes,
      ociNamespaces: ['northstarida.azurecr.io', 'quay.io/charts'],
    },
    record: encodeBase64(attachToStatement(record, { receipts: [await log.receipt(2)] })),
  };
}

function revocations(keys: Keys, log: Log, { revoked, revokedDigests = [] }: WorldOptions): object {
  const entry = revoked && {
    fingerprint: encodeHex(sha256(keys.chain[0] ?? new Uint8Array())),
    serial: '41',
    issuer: 'issuing-1',
    reason: revoked.reason,
    revokedAt: encodeTufTime(revoked.revokedAt),
    ...(revoked.invalidityDate && { invalidityDate: encodeTufTime(revoked.invalidityDate) }),
    logIndex: 0,
  };
  return {
    type: 'margo.revocations.v1',
    sequence: 1,
    asOf: '2026-11-25T21:29:00Z',
    logSize: Number(log.size),
    certificates: entry ? [entry] : [],
    keys: [],
    vendors: [],
    digests: revokedDigests.map((digest) => ({
      digest,
      reason: 'withdrawn',
      revokedAt: '2026-11-25T21:00:00Z',
      logIndex: 0,
    })),
  };
}

/** A raw P-256 signature as `SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279 §2.2.3), which is what TUF files carry. */
function derOf(raw: Uint8Array): Uint8Array {
  const integer = (bytes: Uint8Array) => {
    const first = bytes.findIndex((byte) => byte !== 0);
    const trimmed = bytes.subarray(first < 0 ? bytes.length - 1 : first);
    const content = (trimmed[0] ?? 0) >= 0x80 ? [0, ...trimmed] : [...trimmed];
    return [2, content.length, ...content];
  };
  const content = [...integer(raw.subarray(0, 32)), ...integer(raw.subarray(32))];
  return Uint8Array.from([0x30, content.length, ...content]);
}
