import { randomBytes } from 'node:crypto';
import { encodeBase64, encodeUtf8 } from '@margo-trust/bytes';
import { coseKeyThumbprint } from '@margo-trust/cose';
import { appendLeaves, emptyRange, hashLeaf, provePathsOfAppended, rootOfRange } from '@margo-trust/merkle';
import { encodeRegistrationPolicy, FOUNDING_POLICY } from '@margo-trust/policy';
import { encodeReceipt, encodeReceiptProtected, receiptToBeSigned } from '@margo-trust/receipt';
import {
  CONTENT,
  draftStatement,
  encodeJsonPayload,
  finishStatement,
  parseStatement,
  readFacts,
  type Claims,
} from '@margo-trust/statement';
import { encodeHashedRekord, HASHED_REKORD_TYPE } from '@margo-trust/sigstore';
import { encodeSignatureValue } from '@margo-trust/x509';
import { sha256 } from '@margo-trust/crypto';
import { makeKey, World, type KeyPair, type TestVendor } from '@margo-trust/testkit';
import { encodeCheckpoint, encodeNote, parseVerifierKey, encodeVerifierKey } from '@margo-trust/tlog';
import type { EvidenceRow, LogEvidence, Seal } from '../src/index.ts';

/** The log of a registry in memory, with real signatures, whose rows a test may change as a liar would. With `first` it is another one beside that. */
export class WorldLog {
  readonly world: World;
  readonly origin: string;
  private readonly checkpointKey: KeyPair;
  readonly rows: EvidenceRow[] = [];
  readonly seals: Seal[] = [];
  /** Each entry is committed a second after the one before. */
  private seconds = 0;

  constructor(first?: WorldLog) {
    this.world = first?.world ?? new World();
    const target = this.world.trustRootTarget() as { logs: object[] };
    this.origin = first ? `other.${first.origin}` : this.world.origin;
    this.checkpointKey = first ? makeKey('Ed25519') : this.world.keys.checkpoint;
    if (first) {
      const checkpointKey = encodeVerifierKey(this.origin, this.checkpointKey.publicKey.spki.slice(12));
      target.logs.push({ ...target.logs[0], origin: this.origin, checkpointKey });
      this.seconds = first.seconds;
    }
    this.own(`policy:${this.origin}`, CONTENT.policy, encodeRegistrationPolicy(FOUNDING_POLICY));
    this.own(`anchors:${this.origin}`, CONTENT.anchors, encodeJsonPayload(target));
  }

  /** What the next entries of a log that is not the first rest on. */
  rest(
    { origin, rows, root }: { origin: string; rows: readonly unknown[]; root: Uint8Array },
    change: object = {},
  ): void {
    const members = { log: origin, size: String(rows.length), root: encodeBase64(root), ...change };
    const payload = { record: 'governance-seen', at: this.now.toISOString(), ...members };
    this.own(`governance:${origin}`, CONTENT.record, encodeJsonPayload(payload));
  }

  get now(): Date {
    return this.world.later(this.seconds);
  }

  get key() {
    return parseVerifierKey(encodeVerifierKey(this.origin, this.checkpointKey.publicKey.spki.slice(12)));
  }

  /** A statement of the registry, signed now unless it lies about that. */
  own(
    subject: string,
    contentType: string,
    payload: Uint8Array,
    facts: Partial<EvidenceRow> = {},
    at = this.now,
  ): void {
    const key = this.world.keys.record;
    const draft = draftStatement({
      ...{ algorithm: 'ES256', issuer: this.world.registry, subject, contentType, payload },
      ...{ issuedAt: at, signer: { kid: coseKeyThumbprint(key.publicKey) } },
    });
    this.push(finishStatement(draft, key.sign(draft.toBeSigned, 'ES256')), facts);
  }

  record(record: string, subject: string, members: Record<string, unknown>, vendorId: string): void {
    const payload = encodeJsonPayload({ record, at: this.now.toISOString(), ...members });
    this.own(subject, CONTENT.record, payload, { vendorId });
  }

  /** Admits a vendor and certifies its key. */
  admit(name: string, change: { approvals?: number; claims?: Claims } = {}): TestVendor {
    const id = idOf(name);
    const vendor = this.world.vendor(id);
    const claims = {
      applicationIdPrefixes: [`com-${name}-`],
      ociNamespaces: [`registry.example/${name}`],
      ...change.claims,
    };
    const { approvals = 2 } = change;
    const subject = { C: 'DE', ST: 'Hessen', O: `Vendor ${id}` };
    this.record('vendor-admitted', `vendor:${id}`, { vendor: id, uri: vendor.uri, subject, claims, approvals }, id);
    this.certify(vendor);
    return vendor;
  }

  certify({ id, certificate }: TestVendor, owner = id, more: { announced?: string; binding?: string } = {}): void {
    const { fingerprint, der } = certificate;
    const certified = { vendor: owner, issuer: 'issuing-1', fingerprint, certificate: encodeBase64(der) };
    const members = { ...certified, ...more };
    this.record('certificate-issued', `certificate:${fingerprint}`, members, owner);
  }

  revoke({ id, certificate: { fingerprint } }: TestVendor, reason: string, invalidityDate?: Date): void {
    const members = {
      vendor: id,
      fingerprint,
      reason,
      ...(invalidityDate && { invalidityDate: invalidityDate.toISOString() }),
    };
    this.record('certificate-revoked', `certificate:${fingerprint}`, members, id);
  }

  /** `named`: the member that says what is revoked. */
  revokeBroadly(kind: string, named: Record<string, unknown>, more: Record<string, unknown> = {}): void {
    const members = { ...named, reason: 'keyCompromise', ...more };
    this.record(`${kind}-revoked`, `${kind}:test`, members, named['vendor'] as string);
  }

  publish(
    vendor: TestVendor,
    reference = `registry.example/${vendor.id.replace(/^01jx0*/, '')}/app:1`,
    facts: Partial<EvidenceRow> = {},
    digest = `sha256:${randomBytes(32).toString('hex')}`,
  ): void {
    const target = {
      ...{ mediaType: 'application/x', digest, size: 1 },
      annotations: { 'org.margo.trust.reference': reference },
    };
    this.push(this.world.signArtifact(vendor, target), { vendorId: vendor.id, ...facts });
  }

  /** What a Sigstore tool logs when the vendor signs something with it. */
  pushHashedRekord({ id, uri, key, certificate }: TestVendor): void {
    const signed = randomBytes(32);
    const leaf = encodeHashedRekord({
      keyDetails: 'PKIX_ECDSA_P256_SHA_256',
      digest: sha256(signed),
      signature: encodeSignatureValue('ES256', key.sign(signed, 'ES256')),
      certificate: certificate.der,
    });
    this.rows.push({
      ...{ kind: 'raw', entry: sha256(leaf), body: leaf, registeredAt: this.now, contentType: HASHED_REKORD_TYPE },
      ...{
        issuer: uri,
        subject: 'sha256:…',
        chain: [],
        vendorId: id,
        certificate: sha256(certificate.der),
        mentions: [],
      },
    });
    this.seal();
    this.seconds += 1;
  }

  push(bytes: Uint8Array, facts: Partial<EvidenceRow> = {}): void {
    const statement = parseStatement(bytes);
    const { entry, stripped, contentType, issuer, subject, chain, x5t } = statement;
    const { applicationId, version, digests, references } = readFacts(statement);
    this.rows.push({
      ...{ kind: 'statement', entry, body: stripped, registeredAt: this.now, contentType, issuer, subject, chain },
      ...(applicationId !== undefined && { applicationId }),
      ...(version !== undefined && { version }),
      ...(x5t && { certificate: x5t }),
      mentions: [...new Set([...digests, ...references])].sort(),
      ...facts,
    });
    this.seal();
    this.seconds += 1;
  }

  /** Makes the seals anew after rows were changed, as a log would that covers its tracks. */
  reseal(): void {
    const times = this.seals.splice(0);
    for (const { size, committedAt } of times) {
      this.seals.push({ size, root: this.root(Number(size)), committedAt });
    }
  }

  root(size = this.rows.length): Uint8Array {
    return rootOfRange(appendLeaves(emptyRange(), this.leaves().slice(0, size)));
  }

  leaves(): Uint8Array[] {
    return this.rows.map(({ kind, entry, body }) => hashLeaf(kind === 'raw' && body ? body : entry));
  }

  *bundles(): Generator<LogEvidence> {
    for (let first = 0; first < this.rows.length; first += 256) {
      const rows = this.rows.slice(first, first + 256);
      const seals = this.seals.filter(({ size }) => size > first && size <= first + rows.length);
      yield { origin: this.origin, first: BigInt(first), rows, seals };
    }
  }

  checkpoint(change: { root?: Uint8Array; size?: number; origin?: string } = {}): Uint8Array {
    const { size = this.rows.length, root = this.root(size), origin = this.origin } = change;
    const text = encodeCheckpoint({ origin, size: BigInt(size), root, extensions: [] });
    const signature = this.checkpointKey.sign(encodeUtf8(text), 'Ed25519');
    return encodeNote({ text, signatures: [{ name: this.key.name, keyHash: this.key.keyHash, signature }] });
  }

  /** As the service gives it, over the first head that covers the entry. */
  receipt(index: number, change: { origin?: string; size?: number } = {}): Uint8Array {
    const { receipt: signer } = this.world.keys;
    const seal = this.seals.find(({ size }) => size > index && size > 1)!;
    const size = BigInt(change.size ?? seal.size);
    const leaves = this.leaves().slice(0, Number(size));
    const protectedBytes = encodeReceiptProtected({
      ...{ kid: coseKeyThumbprint(signer.publicKey), issuer: this.world.registry, issuedAt: seal.committedAt },
      ...{ origin: change.origin ?? this.world.origin, size, algorithm: 'ES256' },
    });
    const signature = signer.sign(receiptToBeSigned(protectedBytes, this.root(Number(size))), 'ES256');
    const path = provePathsOfAppended(emptyRange(), leaves)[index]!;
    return encodeReceipt({ protectedBytes, signature, size, index: BigInt(index), path });
  }

  private seal(): void {
    this.seals.push({ size: BigInt(this.rows.length), root: this.root(), committedAt: this.now });
  }
}

/** The id of a vendor that a test knows by a short name. */
export function idOf(name: string): string {
  return `01jx${name.padStart(22, '0')}`;
}
