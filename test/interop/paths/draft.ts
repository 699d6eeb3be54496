/** A certification path as it is put together, before anything is signed: defects are planted by changing it. */
import { hash } from 'node:crypto';
import {
  encodePlainTbs,
  makeKey,
  plainExtension,
  plainName,
  sealed,
  signPlainCrl,
  TEST_DAY,
  type KeyPair,
  type PlainEntry,
} from '@margo-trust/testkit';
import { certificateSignatureAlgorithm, OID, type Extension, type PolicyRequest } from '@margo-trust/x509';

/** What both verifiers are asked. */
export interface Question {
  crls: boolean;
  /** TLS client authentication: the one purpose besides e-mail for which OpenSSL asks no more than RFC 5280. */
  eku: boolean;
  policies?: PolicyRequest;
}

export interface DraftCertificate {
  version: 1 | 3;
  serial: Uint8Array;
  subject: Uint8Array;
  issuer: Uint8Array;
  notBefore: Date;
  notAfter: Date;
  key: KeyPair;
  signer: KeyPair;
  /** Instead of that of `key`. */
  spki?: Uint8Array;
  extensions: Map<string, Extension>;
  /** The last touch: spoils the signed part before it is signed, or the finished certificate. */
  spoilTbs?: (tbs: Uint8Array) => Uint8Array;
  spoil?: (der: Uint8Array) => Uint8Array;
}

export interface DraftCrl {
  issuer: Uint8Array;
  signer: KeyPair;
  thisUpdate: Date;
  nextUpdate?: Date;
  entries: PlainEntry[];
  extensions: Map<string, Extension>;
  spoil?: (der: Uint8Array) => Uint8Array;
}

/** Root first, leaf last. `crls[i]` is of the CA `certificates[i]`. */
export interface Draft {
  readonly id: number;
  certificates: DraftCertificate[];
  /** Certificates that are sent along, before the others, and are no part of the path. */
  beside: DraftCertificate[];
  crls: DraftCrl[];
  question: Question;
}

export interface Chain {
  readonly leaf: Uint8Array;
  readonly root: Uint8Array;
  readonly intermediates: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
  readonly question: Question;
}

/** Numbers from a seed, so that each run plants the same defects in the same places. */
export class Dice {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** From 0 to `sides` - 1 (mulberry32). */
  roll(sides: number): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * sides);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.roll(list.length)] as T;
  }

  isLucky(percent: number): boolean {
    return this.roll(100) < percent;
  }
}

const LONG_AGO = new Date('2020-01-01T00:00:00Z');
const FAR_OFF = new Date('2040-01-01T00:00:00Z');

/** Keys take long to make and make no difference: a few serve all. */
export class Keys {
  readonly elliptic = Array.from({ length: 6 }, () => makeKey('P-256'));
  readonly others = (['P-384', 'P-521', 'Ed25519', 'RSA-2048', 'RSA-3072'] as const).map((type) => makeKey(type));

  /** Mostly P-256. */
  pick(dice: Dice): KeyPair {
    return dice.isLucky(85) ? dice.pick(this.elliptic) : dice.pick(this.others);
  }
}

/** A path without defects: one to three CAs between root and leaf, all keys different within it. */
export function soundDraft(id: number, dice: Dice, keys: Keys, question: Question): Draft {
  const length = 3 + dice.roll(3);
  const names = Array.from({ length }, (_, i) => plainName(`${id} ${i === length - 1 ? 'leaf' : `ca ${i}`}`));
  const used = new Set<KeyPair>();
  const ownKeys = names.map(() => {
    let key = keys.pick(dice);
    while (used.has(key)) key = keys.pick(dice);
    used.add(key);
    return key;
  });
  const certificates = names.map((subject, i): DraftCertificate => {
    const [key, issuerKey] = [ownKeys[i] as KeyPair, ownKeys[Math.max(0, i - 1)] as KeyPair];
    const isLeaf = i === length - 1;
    return {
      version: 3,
      serial: serialOf(id, i),
      subject,
      issuer: names[Math.max(0, i - 1)] as Uint8Array,
      notBefore: LONG_AGO,
      notAfter: FAR_OFF,
      key,
      signer: issuerKey,
      extensions: byOid(
        isLeaf ? plainExtension.basicConstraints(false) : plainExtension.basicConstraints(true),
        isLeaf ? plainExtension.keyUsage(0) : plainExtension.keyUsage(5, 6),
        ...(isLeaf ? [plainExtension.extendedKeyUsage(OID.clientAuth)] : []),
        plainExtension.subjectKeyId(keyId(key)),
        ...(i > 0 ? [plainExtension.authorityKeyId(keyId(issuerKey))] : []),
      ),
    };
  });
  const crls = question.crls ? certificates.slice(0, -1).map((ca) => soundCrl(ca)) : [];
  return { id, certificates, beside: [], crls, question };
}

export function soundCrl(ca: DraftCertificate): DraftCrl {
  return {
    issuer: ca.subject,
    signer: ca.key,
    thisUpdate: new Date(TEST_DAY.getTime() - 86_400_000),
    nextUpdate: new Date(TEST_DAY.getTime() + 86_400_000),
    entries: [{ serial: Uint8Array.of(0x7f, 0x11), revokedAt: LONG_AGO }],
    extensions: byOid(plainExtension.authorityKeyId(keyId(ca.key)), plainExtension.crlNumber(1)),
  };
}

export function sign({ certificates, beside, crls, question }: Draft): Chain {
  const signed = certificates.map(signCertificate);
  return {
    leaf: signed.at(-1) as Uint8Array,
    root: signed[0] as Uint8Array,
    intermediates: [...beside.map(signCertificate), ...signed.slice(1, -1)],
    crls: crls.map(signCrl),
    question,
  };
}

export function byOid(...extensions: readonly Extension[]): Map<string, Extension> {
  return new Map(extensions.map((extension) => [extension.oid, extension]));
}

export function put(of: { extensions: Map<string, Extension> }, ...extensions: readonly Extension[]): void {
  for (const extension of extensions) of.extensions.set(extension.oid, extension);
}

export function keyId({ publicKey }: KeyPair): Uint8Array {
  return new Uint8Array(hash('sha1', publicKey.spki, 'buffer'));
}

/** Positive, of six octets, different for each certificate of each path. */
export function serialOf(id: number, i: number): Uint8Array {
  return Uint8Array.of(0x40, id >> 24, (id >> 16) & 0xff, (id >> 8) & 0xff, id & 0xff, i);
}

function signCertificate(draft: DraftCertificate): Uint8Array {
  const { signer, spki = draft.key.publicKey.spki, spoilTbs = same, spoil = same, extensions, ...rest } = draft;
  const algorithm = certificateSignatureAlgorithm(signer.publicKey);
  const tbs = encodePlainTbs({ ...rest, spki, extensions: [...extensions.values()] }, algorithm);
  return spoil(sealed(spoilTbs(tbs), algorithm, signer));
}

function signCrl({ signer, extensions, spoil = same, ...rest }: DraftCrl): Uint8Array {
  return spoil(signPlainCrl({ ...rest, extensions: [...extensions.values()] }, signer));
}

function same(bytes: Uint8Array): Uint8Array {
  return bytes;
}
