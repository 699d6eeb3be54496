import { encodeBase64, encodeBase64Url, encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { coseKeyThumbprint } from '@margo-trust/cose';
import { sha256 } from '@margo-trust/crypto';
import { openMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import { appendLeaves, emptyRange, hashLeaf, provePathsOfAppended, rootOfRange } from '@margo-trust/merkle';
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
  type Claims,
  type Draft,
  type Release,
  type TargetArtifact,
} from '@margo-trust/statement';
import {
  cosignatureToBeSigned,
  ED25519_COSIGNATURE,
  encodeCheckpoint,
  encodeCosignature,
  encodeNote,
  encodeTlogProof,
  encodeVerifierKey,
  ML_DSA_44_COSIGNATURE,
  parseCheckpoint,
  subtreeToBeSigned,
  verifierKeyId,
  type NoteSignature,
} from '@margo-trust/tlog';
import {
  assembleMetadata,
  draftMetadata,
  draftRoot,
  draftSnapshot,
  draftTargets,
  draftTimestamp,
  encodeTufTime,
  tufKeyFromSpki,
  tufSignature,
  type Metadata,
  type TufFileSet,
} from '@margo-trust/tuf';
import {
  assembleSigned,
  encodeTbsCertificate,
  issuingCaProfile,
  leafProfile,
  parseCertificate,
  rootProfile,
  type Certificate,
  type CertificateSpec,
  type LeafInput,
} from '@margo-trust/x509';
import { makeKey, type KeyPair } from './key.ts';

export interface TestVendor {
  readonly id: string;
  readonly uri: string;
  readonly key: KeyPair;
  readonly certificate: Certificate;
  readonly chain: readonly Uint8Array[];
}

/** Somebody who cosigns checkpoints with an Ed25519 key (C2SP tlog-cosignature). */
export interface TestWitness {
  readonly vkey: string;
  cosign(text: string): NoteSignature;
}

/** A witness with a key of its own; `name` is the key's name. */
export function makeWitness(name: string, seconds = 1_800_000_000n): TestWitness {
  const key = makeKey('Ed25519');
  const raw = key.publicKey.spki.slice(12);
  const keyHash = verifierKeyId(name, raw, ED25519_COSIGNATURE).slice(0, 4);
  return {
    vkey: encodeVerifierKey(name, raw, ED25519_COSIGNATURE),
    cosign: (text) => {
      const signature = encodeCosignature(seconds, key.sign(cosignatureToBeSigned(text, seconds), 'Ed25519'));
      return { name, keyHash, signature };
    },
  };
}

/** The same with an ML-DSA-44 key. */
export function makeMlDsaWitness(name: string, seconds = 1_800_000_000n): TestWitness {
  const key = openMlDsa44(crypto.getRandomValues(new Uint8Array(32)));
  const keyHash = verifierKeyId(name, key.publicKey, ML_DSA_44_COSIGNATURE).slice(0, 4);
  return {
    vkey: encodeVerifierKey(name, key.publicKey, ML_DSA_44_COSIGNATURE),
    cosign: (text) => {
      const { origin, size, root } = parseCheckpoint(text);
      const message = subtreeToBeSigned(name, seconds, { origin, start: 0n, end: size, hash: root });
      return { name, keyHash, signature: encodeCosignature(seconds, key.sign(message)) };
    },
  };
}

interface CheckpointChange {
  readonly size?: number;
  readonly root?: Uint8Array;
  readonly signer?: KeyPair;
}

export interface WorldOptions {
  /** Everything is committed and published at this time; certificates began an hour earlier. */
  readonly now?: Date;
  readonly domain?: string;
}

/**
 * A whole registry in memory: CA, log and TUF repository with real keys and real signatures, and no service. Made for
 * tests of whoever verifies, and for tests that plant a defect in exactly one place.
 */
export class World {
  readonly now: Date;
  readonly domain: string;
  readonly keys = {
    root: makeKey('P-384'),
    issuing: makeKey('P-384'),
    checkpoint: makeKey('Ed25519'),
    receipt: makeKey('P-256'),
    record: makeKey('P-256'),
    tufRoot: [makeKey('Ed25519'), makeKey('Ed25519'), makeKey('Ed25519')],
    tufTargets: [makeKey('Ed25519'), makeKey('Ed25519'), makeKey('Ed25519')],
    live: makeKey('Ed25519'),
    snapshot: makeKey('Ed25519'),
    timestamp: makeKey('Ed25519'),
  };
  readonly root: Certificate;
  readonly issuing: Certificate;
  private readonly entries: Uint8Array[] = [];
  private serials = 0;

  constructor({ now = new Date('2026-11-20T12:00:00Z'), domain = 'registry.example' }: WorldOptions = {}) {
    this.now = now;
    this.domain = domain;
    const [notBefore, notAfter] = [this.later(-3600), this.later(10 * 365 * 86400)];
    const name = (commonName: string) => ({ country: 'DE', organization: 'Registry Example', commonName });
    this.root = this.issue(
      rootProfile({
        serial: this.serial(),
        subject: name('Root'),
        notBefore,
        notAfter,
        publicKey: this.keys.root.publicKey,
      }),
      this.keys.root,
    );
    this.issuing = this.issue(
      issuingCaProfile({
        serial: this.serial(),
        subject: name('Issuing CA 1'),
        notBefore,
        notAfter,
        publicKey: this.keys.issuing.publicKey,
        issuer: this.root,
        crlUrl: 'http://registry.example/crl/root/0.crl',
        caIssuersUrl: 'http://registry.example/ca/root.crt',
      }),
      this.keys.root,
    );
    // a log opens with two entries, for a receipt cannot express a tree of one leaf
    this.log(this.record('policy:log', { type: 'policy' }));
    this.log(this.record('anchors:log', { type: 'anchors' }));
  }

  get registry(): string {
    return `https://${this.domain}`;
  }

  get origin(): string {
    return `log.${this.domain}`;
  }

  /** How many entries the log holds. */
  get size(): number {
    return this.entries.length;
  }

  later(seconds: number): Date {
    return new Date(this.now.getTime() + seconds * 1000);
  }

  issue(spec: CertificateSpec, issuer: KeyPair): Certificate {
    const tbs = encodeTbsCertificate(spec);
    return parseCertificate(assembleSigned(tbs, spec.algorithm, issuer.sign(tbs, spec.algorithm)));
  }

  vendor(id: string, change: Partial<LeafInput> = {}): TestVendor {
    const key = makeKey('P-256');
    const uri = `https://${id}.vendors.${this.domain}/`;
    const certificate = this.issue(
      leafProfile({
        serial: this.serial(),
        subject: { country: 'DE', state: 'Hessen', organization: `Vendor ${id}`, commonName: 'Release signing' },
        notBefore: this.later(-3600),
        notAfter: this.later(397 * 86400),
        publicKey: key.publicKey,
        issuer: this.issuing,
        vendorUri: uri,
        registry: this.registry,
        assurance: 'software',
        crlUrl: 'http://registry.example/crl/issuing-1/0.crl',
        caIssuersUrl: 'http://registry.example/ca/issuing-1.crt',
        ...change,
      }),
      this.keys.issuing,
    );
    return { id, uri, key, certificate, chain: [certificate.der, this.issuing.der, this.root.der] };
  }

  /** A statement of the registry itself. */
  record(subject: string, payload: object, signer: KeyPair = this.keys.record): Uint8Array {
    const draft = draftStatement({
      algorithm: 'ES256',
      issuer: this.registry,
      subject,
      contentType: CONTENT.record,
      payload: encodeJsonPayload(payload),
      issuedAt: this.now,
      signer: { kid: coseKeyThumbprint(signer.publicKey) },
    });
    return finishStatement(draft, signer.sign(draft.toBeSigned, 'ES256'));
  }

  signArtifact(vendor: TestVendor, target: TargetArtifact, subject = `oci:app:${target.digest}`): Uint8Array {
    const { key, uri: issuer, certificate, chain } = vendor;
    const draft = draftArtifactStatement({
      algorithm: 'ES256',
      issuer,
      subject,
      target,
      signingTime: this.now,
      leafDer: certificate.der,
    });
    return this.finish(draft, key, chain);
  }

  signRelease(vendor: TestVendor, release: Release): Uint8Array {
    const draft = draftStatement({
      algorithm: 'ES256',
      issuer: vendor.uri,
      subject: releaseSubject(release.applicationId, release.version),
      contentType: CONTENT.release,
      payload: encodeRelease(release),
      issuedAt: this.now,
      signer: { leafDer: vendor.certificate.der },
    });
    return this.finish(draft, vendor.key, vendor.chain);
  }

  /** Logs a statement and gives it back with a receipt; `at` is the receipt's time. */
  log(statement: Uint8Array, at: Date = this.now): Uint8Array {
    this.entries.push(parseStatement(statement).entry);
    return this.entries.length < 2 ? statement : this.withReceipt(statement, at);
  }

  /** The log's checkpoint over `size` entries, cosigned. Another `root` plants a fork. */
  checkpoint(
    cosigners: readonly TestWitness[] = [],
    { size = this.entries.length, root, signer = this.keys.checkpoint }: CheckpointChange = {},
  ): Uint8Array {
    const tree = root ?? rootOfRange(appendLeaves(emptyRange(), this.entries.slice(0, size).map(hashLeaf)));
    const text = encodeCheckpoint({ origin: this.origin, size: BigInt(size), root: tree, extensions: [] });
    const signature = signer.sign(encodeUtf8(text), 'Ed25519');
    const keyHash = verifierKeyId(this.origin, signer.publicKey.spki.slice(12)).slice(0, 4);
    const own = { name: this.origin, keyHash, signature };
    return encodeNote({ text, signatures: [own, ...cosigners.map((witness) => witness.cosign(text))] });
  }

  /** That the tree of that checkpoint holds a logged statement, as C2SP tlog-proof. */
  proof(statement: Uint8Array, checkpoint: Uint8Array, size = this.entries.length): Uint8Array {
    const index = this.indexOf(statement);
    const path = provePathsOfAppended(emptyRange(), this.entries.slice(0, size).map(hashLeaf))[index];
    if (!path) throw new Error('That statement is not in this tree.');
    return encodeTlogProof({ index: BigInt(index), path: [...path], checkpoint });
  }

  private indexOf(statement: Uint8Array): number {
    const wanted = encodeHex(parseStatement(statement).entry);
    return this.entries.findIndex((entry) => encodeHex(entry) === wanted);
  }

  withReceipt(statement: Uint8Array, at: Date = this.now, signer: KeyPair = this.keys.receipt): Uint8Array {
    const index = this.indexOf(statement);
    const leaves = this.entries.map(hashLeaf);
    const path = provePathsOfAppended(emptyRange(), leaves)[index];
    if (!path) throw new Error('That statement was never logged.');
    const size = BigInt(leaves.length);
    const protectedBytes = encodeReceiptProtected({
      kid: coseKeyThumbprint(signer.publicKey),
      issuer: this.registry,
      issuedAt: at,
      origin: this.origin,
      size,
      algorithm: 'ES256',
    });
    const root = rootOfRange(appendLeaves(emptyRange(), leaves));
    const signature = signer.sign(receiptToBeSigned(protectedBytes, root), 'ES256');
    const receipt = encodeReceipt({ protectedBytes, signature, size, index: BigInt(index), path });
    return attachToStatement(statement, { receipts: [receipt] });
  }

  /** What a vendor's shard says of it. `change` plants defects. */
  published(
    vendor: TestVendor,
    claims: Claims,
    change: { status?: string; record?: Uint8Array; claims?: Claims; openpgpKeys?: readonly object[] } = {},
  ) {
    const admitted = this.record(`vendor:${vendor.id}`, {
      record: 'vendor-admitted',
      at: encodeTufTime(this.now),
      vendor: vendor.id,
      uri: vendor.uri,
      legalName: `Vendor ${vendor.id}`,
      claims,
      approvals: 2,
    });
    return {
      id: vendor.id,
      uri: vendor.uri,
      legalName: `Vendor ${vendor.id}`,
      status: change.status ?? 'active',
      subject: { C: 'DE', ST: 'Hessen', O: `Vendor ${vendor.id}` },
      claims: change.claims ?? claims,
      record: encodeBase64(change.record ?? this.log(admitted)),
      ...(change.openpgpKeys && { openpgpKeys: change.openpgpKeys }),
    };
  }

  /** An OpenPGP key as a vendor's record holds it; `named` is the digest in the record of its registration, and `about` its subject. */
  openpgpKey(vendorId: string, key: Uint8Array, { named = encodeHex(sha256(key)), about = `vendor:${vendorId}` } = {}) {
    const record = this.record(about, {
      ...{ record: 'openpgp-key-registered', at: encodeTufTime(this.now), vendor: vendorId },
      ...{ fingerprint: 'f0'.repeat(20), keySha256: named },
    });
    return { key: encodeBase64(key), record: encodeBase64(this.log(record)) };
  }

  /** The TUF repository as a set of files, with these vendors and revocations. */
  trustRoot(
    vendors: readonly { id: string }[],
    revocations: Partial<Record<'certificates' | 'keys' | 'issuers' | 'vendors' | 'digests', readonly object[]>> = {},
    extra: {
      /** Further files of the `live` role, by target name. */
      live?: Readonly<Record<string, Uint8Array>>;
      validUntil?: Date;
      expires?: Date;
      witnessing?: object;
      checkpoint?: Uint8Array;
    } = {},
  ): TufFileSet {
    const expires = extra.expires ?? this.later(365 * 86400);
    const granting = { 'margo.trust-root.v1.json': json(this.trustRootTarget(extra.validUntil, extra.witnessing)) };
    const removing: Record<string, Uint8Array> = {
      'live.revocations.v1.json': json({
        type: 'margo.revocations.v1',
        sequence: 1,
        asOf: encodeTufTime(this.now),
        logSize: this.entries.length,
        certificates: [],
        keys: [],
        issuers: [],
        vendors: [],
        digests: [],
        ...revocations,
      }),
    };
    if (extra.checkpoint) removing['live.checkpoint'] = extra.checkpoint;
    for (const shard of new Set(vendors.map(({ id }) => shardOf(id)))) {
      removing[shard] = json({ type: 'margo.vendors.v1', vendors: vendors.filter(({ id }) => shardOf(id) === shard) });
    }
    Object.assign(removing, extra.live);
    const { tufRoot, tufTargets, live, snapshot, timestamp } = this.keys;
    const role = (keys: readonly KeyPair[], threshold: number) => ({ keys: keys.map(tufKeyOf), threshold });
    const root = signMetadata(
      draftRoot({
        version: 1,
        expires,
        roles: {
          root: role(tufRoot, 2),
          targets: role(tufTargets, 2),
          snapshot: role([snapshot], 1),
          timestamp: role([timestamp], 1),
        },
      }),
      tufRoot.slice(0, 2),
    );
    const delegation = { name: 'live', paths: ['live.*'], ...role([live], 1) };
    const targets = signMetadata(
      draftTargets({ version: 1, expires, files: granting, delegations: [delegation] }),
      tufTargets.slice(0, 2),
    );
    const liveFile = signMetadata(draftTargets({ version: 1, expires, files: removing }), [live]);
    const snapshotFile = signMetadata(draftSnapshot({ version: 1, expires, roles: { targets, live: liveFile } }), [
      snapshot,
    ]);
    const timestampFile = signMetadata(draftTimestamp({ version: 1, expires, snapshot: snapshotFile }), [timestamp]);
    return {
      initialRoot: root,
      roots: [],
      timestamp: timestampFile,
      snapshot: snapshotFile,
      targets,
      delegated: { live: liveFile },
      files: { ...granting, ...removing },
    };
  }

  /** What grants trust, as in the target of the trust root and in the second entry of the log. */
  trustRootTarget(validUntil?: Date, witnessing?: object): object {
    const { receipt, record, checkpoint } = this.keys;
    const validFrom = encodeTufTime(this.later(-3600));
    const named = ({ publicKey }: KeyPair) => ({
      kid: encodeBase64Url(coseKeyThumbprint(publicKey)),
      spki: encodeBase64(publicKey.spki),
      issuer: this.registry,
      validFrom,
    });
    return {
      type: 'margo.trust-root.v1',
      registry: this.registry,
      domain: this.domain,
      profile: 1,
      anchors: [
        {
          name: 'root',
          purpose: 'artifact-signing',
          certificate: encodeBase64(this.root.der),
          validFrom,
          ...(validUntil && { validUntil: encodeTufTime(validUntil) }),
        },
      ],
      intermediates: [{ name: 'issuing-1', certificate: encodeBase64(this.issuing.der) }],
      tsa: [],
      logs: [
        {
          origin: this.origin,
          leafFormat: 'cose-digest',
          checkpointKey: encodeVerifierKey(this.origin, checkpoint.publicKey.spki.slice(12)),
          receiptKeys: [named(receipt)],
          ...(witnessing && { witnessing }),
        },
      ],
      records: [named(record)],
    };
  }

  private finish(draft: Draft, key: KeyPair, chain: readonly Uint8Array[]): Uint8Array {
    return finishStatement(draft, key.sign(draft.toBeSigned, 'ES256'), { chain, agent: 'testkit/1' });
  }

  private serial(): Uint8Array {
    this.serials += 1;
    const serial = new Uint8Array(16).fill(0x11);
    serial[0] = 0x40;
    serial[15] = this.serials;
    return serial;
  }
}

function signMetadata(signed: Metadata, keys: readonly KeyPair[]): Uint8Array {
  const bytes = draftMetadata(signed);
  return assembleMetadata(
    signed,
    keys.map((key) => tufSignature(tufKeyOf(key), key.sign(bytes, 'Ed25519'))),
  );
}

function tufKeyOf({ publicKey }: KeyPair) {
  return tufKeyFromSpki(publicKey.spki);
}

function shardOf(id: string): string {
  return `live.vendors.${encodeHex(sha256(encodeUtf8(id)).subarray(0, 1))}.json`;
}

function json(value: object): Uint8Array {
  return encodeUtf8(JSON.stringify(value));
}
