import { createHash, randomBytes } from 'node:crypto';
import { parsePublicKey, type SignatureAlgorithm, verifySignature } from '@margo-trust/crypto';
import { type Attribute, bool, CKA, readAttributes, template, ulong } from './attributes.ts';
import { Pkcs11Fault } from './fault.ts';
import { openToken, type Session, type Token } from './token.ts';
import { describeKey, type Pkcs11Uri } from './uri.ts';

export type TokenKeyType = 'P-256' | 'P-384' | 'Ed25519';

/** A private key that never leaves its token. */
export interface TokenKey {
  readonly algorithm: SignatureAlgorithm;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** Signs `data`; hashing is part of the algorithm. ECDSA gives raw r‖s (IEEE P1363). Off the main thread. */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

/**
 * Opens the private key that the URI names, and has it sign something: a key whose public half in the token is another's is refused.
 * The token must hold the public key too, under the same id. `pin` counts where the URI names no file.
 */
export async function openTokenKey(uri: Pkcs11Uri, pin?: string): Promise<TokenKey> {
  const token = await openToken(uri, pin);
  const kind = await token.run(async (session) => {
    const handle = await findOne(token, session, uri, CKO_PRIVATE_KEY);
    const [id = Buffer.alloc(0)] = await readAttributes(token.module, session.handle, handle, [CKA.id]);
    const search: Attribute[] = id.length > 0 ? [[CKA.id, id]] : nameOf(uri);
    const [publicKey] = await find(token, session, [[CKA.class, ulong(CKO_PUBLIC_KEY)], ...search]);
    if (publicKey === undefined) {
      throw new Pkcs11Fault('pkcs11/key-not-found', `The public key of ${describeKey(uri)} is not on the token.`);
    }
    const [parameters, point] = await readAttributes(token.module, session.handle, publicKey, [
      CKA.ecParams,
      CKA.ecPoint,
    ]);
    return readKind(uri, parameters ?? Buffer.alloc(0), point ?? Buffer.alloc(0));
  });
  const key = new OpenKey(token, uri, kind);
  await key.prove();
  return key;
}

/**
 * Makes a key pair in the token, with the label (and the id, or a random one) of the URI: its private half is sensitive and cannot be
 * extracted. Refuses a label or id that is taken.
 */
export async function generateTokenKey(uri: Pkcs11Uri, type: TokenKeyType, pin?: string): Promise<TokenKey> {
  const token = await openToken(uri, pin);
  const { object } = uri;
  if (object === undefined) throw new Pkcs11Fault('pkcs11/bad-uri', 'A new key needs a label: name it by "object".');
  const id = Buffer.from(uri.id ?? randomBytes(16));
  await token.run(async (session) => {
    const taken = await find(token, session, [
      [CKA.class, ulong(CKO_PRIVATE_KEY)],
      [CKA.label, Buffer.from(object)],
    ]);
    if (taken.length > 0 || (await find(token, session, [[CKA.id, id]])).length > 0) {
      throw new Pkcs11Fault('pkcs11/key-exists', `There is a ${describeKey(uri)} already.`);
    }
    const { mechanism, parameters } = KINDS[type];
    const named: Attribute[] = [
      [CKA.token, bool(true)],
      [CKA.label, Buffer.from(object)],
      [CKA.id, id],
    ];
    const publicHalf: Attribute[] = [...named, [CKA.verify, bool(true)], [CKA.ecParams, parameters]];
    const privateHalf: Attribute[] = [
      ...named,
      [CKA.private, bool(true)],
      [CKA.sensitive, bool(true)],
      [CKA.extractable, bool(false)],
      [CKA.sign, bool(true)],
    ];
    const { module } = token;
    const [publicTemplate, privateTemplate] = [template(module, publicHalf), template(module, privateHalf)];
    const handles = [Buffer.alloc(8), Buffer.alloc(8)] as const;
    await module.call.GenerateKeyPair(
      session.handle,
      mechanismOf(mechanism),
      ...[publicTemplate, publicHalf.length, privateTemplate, privateHalf.length, ...handles],
    );
    keep(publicHalf, privateHalf);
  });
  return openTokenKey({ ...uri, id }, pin);
}

class OpenKey implements TokenKey {
  readonly algorithm: SignatureAlgorithm;
  readonly spki: Uint8Array;
  private readonly token: Token;
  private readonly uri: Pkcs11Uri;
  private readonly kind: Kind;
  private found: { handle: bigint; generation: number } | undefined;

  constructor(token: Token, uri: Pkcs11Uri, { kind, spki }: { kind: Kind; spki: Uint8Array }) {
    [this.token, this.uri, this.kind] = [token, uri, kind];
    [this.algorithm, this.spki] = [kind.algorithm, spki];
  }

  sign(data: Uint8Array): Promise<Uint8Array> {
    const { digest, signMechanism, signatureBytes } = this.kind;
    const input = digest === undefined ? Buffer.from(data) : createHash(digest).update(data).digest();
    return this.token.run(async (session) => {
      const { call } = this.token.module;
      const [signature, length] = [Buffer.alloc(signatureBytes), ulong(signatureBytes)];
      await call.SignInit(session.handle, mechanismOf(signMechanism), await this.handleIn(session));
      await call.Sign(session.handle, input, input.length, signature, length);
      if (Number(length.readBigUInt64LE()) !== signatureBytes) {
        throw new Pkcs11Fault('pkcs11/token-failed', `${describeKey(this.uri)} made a signature of another length.`);
      }
      return Uint8Array.from(signature);
    });
  }

  /** Throws unless the private key is the one of `spki`. */
  async prove(): Promise<void> {
    const data = randomBytes(32);
    const signature = await this.sign(data);
    try {
      verifySignature({ algorithm: this.algorithm, key: parsePublicKey(this.spki), data, signature });
    } catch (cause) {
      const message = `Private and public key of ${describeKey(this.uri)} do not match.`;
      throw new Pkcs11Fault('pkcs11/key-mismatch', message, { cause });
    }
  }

  private async handleIn(session: Session): Promise<bigint> {
    if (this.found?.generation !== session.generation) {
      const handle = await findOne(this.token, session, this.uri, CKO_PRIVATE_KEY);
      this.found = { handle, generation: session.generation };
    }
    return this.found.handle;
  }
}

async function findOne(token: Token, session: Session, uri: Pkcs11Uri, objectClass: number): Promise<bigint> {
  const [handle, another] = await find(token, session, [[CKA.class, ulong(objectClass)], ...nameOf(uri)]);
  if (handle !== undefined && another === undefined) return handle;
  const message =
    another === undefined ? `There is no key ${describeKey(uri)}.` : `Several keys are ${describeKey(uri)}.`;
  throw new Pkcs11Fault('pkcs11/key-not-found', message);
}

function nameOf({ object, id }: Pkcs11Uri): Attribute[] {
  return [
    ...(object === undefined ? [] : [[CKA.label, Buffer.from(object)] as const]),
    ...(id === undefined ? [] : [[CKA.id, Buffer.from(id)] as const]),
  ];
}

/** Up to 16 objects with these attributes. */
async function find({ module }: Token, { handle }: Session, attributes: readonly Attribute[]): Promise<bigint[]> {
  const [handles, count] = [Buffer.alloc(16 * 8), Buffer.alloc(8)];
  await module.call.FindObjectsInit(handle, template(module, attributes), attributes.length);
  try {
    await module.call.FindObjects(handle, handles, 16, count);
  } finally {
    await module.call.FindObjectsFinal(handle);
  }
  keep(attributes);
  return Array.from({ length: Number(count.readBigUInt64LE()) }, (_, i) => handles.readBigUInt64LE(i * 8));
}

/** CK_MECHANISM without parameters. */
function mechanismOf(type: number): Buffer {
  return Buffer.concat([ulong(type), Buffer.alloc(16)]);
}

/** Templates hold addresses only: what they point at must be in use until here, or it is collected. */
function keep(...values: readonly unknown[]): void {
  if (values.length === 0) throw new Error('Nothing to keep.');
}

interface Kind {
  readonly algorithm: SignatureAlgorithm;
  /** Of the key pair's generation. */
  readonly mechanism: number;
  readonly signMechanism: number;
  readonly signatureBytes: number;
  /** What we hash ourselves; CKM_ECDSA signs a digest, CKM_EDDSA the message. */
  readonly digest?: string;
  /** CKA_EC_PARAMS as we write it, and the ways in which tokens do. */
  readonly parameters: Buffer;
  readonly others?: readonly Buffer[];
  /** SubjectPublicKeyInfo up to the point. */
  readonly prefix: Buffer;
  readonly pointBytes: number;
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

const EC_PAIR = { mechanism: 0x1040, signMechanism: 0x1041 };

const KINDS: Readonly<Record<TokenKeyType, Kind>> = {
  'P-256': {
    ...EC_PAIR,
    ...{ algorithm: 'ES256', digest: 'sha256', signatureBytes: 64, pointBytes: 65 },
    parameters: hex('06082a8648ce3d030107'),
    prefix: hex('3059301306072a8648ce3d020106082a8648ce3d030107034200'),
  },
  'P-384': {
    ...EC_PAIR,
    ...{ algorithm: 'ES384', digest: 'sha384', signatureBytes: 96, pointBytes: 97 },
    parameters: hex('06052b81040022'),
    prefix: hex('3076301006072a8648ce3d020106052b81040022036200'),
  },
  Ed25519: {
    ...{ mechanism: 0x1055, signMechanism: 0x1057 },
    ...{ algorithm: 'Ed25519', signatureBytes: 64, pointBytes: 32 },
    parameters: hex('06032b6570'),
    others: [Buffer.concat([hex('130c'), Buffer.from('edwards25519')])],
    prefix: hex('302a300506032b6570032100'),
  },
};

/** CKA_EC_POINT should be an OCTET STRING around the point; some tokens give the point alone. */
function readKind(uri: Pkcs11Uri, parameters: Buffer, ecPoint: Buffer): { kind: Kind; spki: Uint8Array } {
  const kind = Object.values(KINDS).find((one) =>
    [one.parameters, ...(one.others ?? [])].some((p) => p.equals(parameters)),
  );
  const wrapped =
    kind && ecPoint.length === kind.pointBytes + 2 && ecPoint[0] === 0x04 && ecPoint[1] === kind.pointBytes;
  const point = wrapped ? ecPoint.subarray(2) : ecPoint;
  if (kind === undefined || point.length !== kind.pointBytes) {
    throw new Pkcs11Fault('pkcs11/unsupported-key', `${describeKey(uri)} must be P-256, P-384 or Ed25519.`);
  }
  return { kind, spki: Uint8Array.from(Buffer.concat([kind.prefix, point])) };
}

const CKO_PUBLIC_KEY = 2;
const CKO_PRIVATE_KEY = 3;
