import { encodeUtf8, parseJson, parseBase64, encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import type { Hash } from '@margo-trust/merkle';
import { CONTENT, parseStatement, readFacts } from '@margo-trust/statement';
import { parseCertificate } from '@margo-trust/x509';
import { IndexMapFault } from './fault.ts';

/** What an entry can be found by. */
export type KeyKind = 'vendor' | 'application' | 'digest' | 'certificate';

/**
 * `vendor`: its id. `application`: its id. `digest`: `sha256:` and 64 hexadecimal digits, or `sha384:` and 96.
 * `certificate`: SHA-256 of its DER in hexadecimal. All in lower case.
 */
export interface IndexKey {
  readonly kind: KeyKind;
  readonly value: string;
}

/** What a log's database knows of an entry: for entries whose statement is no longer kept. */
export interface IndexFacts {
  readonly vendorId?: string;
  readonly applicationId?: string;
  readonly digests: readonly string[];
  /** SHA-256 of its DER. */
  readonly certificate?: Uint8Array;
}

const KINDS: Readonly<Record<KeyKind, { byte: number; form: RegExp }>> = {
  vendor: { byte: 1, form: /^[0-7][0-9a-hjkmnp-tv-z]{25}$/ },
  application: { byte: 2, form: /^[-a-z0-9.]{1,200}$/ },
  digest: { byte: 3, form: /^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96})$/ },
  certificate: { byte: 4, form: /^[0-9a-f]{64}$/ },
};

/** A key as somebody typed it; `index/bad-key` unless it is spelt in the one way that the map knows. */
export function parseIndexKey(kind: string, value: string): IndexKey {
  const key = { kind: kind as KeyKind, value };
  if (!Object.hasOwn(KINDS, kind) || !isCanonical(key)) {
    throw new IndexMapFault('index/bad-key', `"${value.slice(0, 100)}" is not the ${kind.slice(0, 20)} of anything.`);
  }
  return key;
}

/** Where a key is in the map: SHA-256(0x03 ‖ kind ‖ value), kind one byte from 1 in the order of {@link KeyKind}. */
export function hashKey({ kind, value }: IndexKey): Hash {
  const text = encodeUtf8(value);
  const input = new Uint8Array(2 + text.length);
  input[0] = 3;
  input[1] = KINDS[kind].byte;
  input.set(text, 2);
  return sha256(input);
}

/**
 * The keys of a statement, each once, from its bytes alone: those of a vendor's statement are its issuer, the application
 * and the digests that it speaks of, and its certificate; those of a record of the registry the vendor and the certificate
 * that were decided about. A Fault when it is no statement.
 */
export function keysOfStatement(bytes: Uint8Array): IndexKey[] {
  const statement = parseStatement(bytes, { maxBytes: MAX_STATEMENT_BYTES });
  if (statement.contentType === CONTENT.record) return keysOfRecord(statement.payload);
  const { applicationId, digests } = readFacts(statement);
  return keysOfFacts({
    ...vendorOf(statement.issuer),
    ...(applicationId !== undefined && { applicationId }),
    digests,
    ...(statement.x5t && { certificate: statement.x5t }),
  });
}

/**
 * The keys of an entry whose leaf is no statement's digest but a `hashedrekord` of Sigstore's: who signed, with which
 * certificate, which digest. None for what is not one.
 */
export function keysOfRawLeaf(leaf: Uint8Array): IndexKey[] {
  const body = attempt(() => parseJson(leaf, { maxBytes: 65_535, maxDepth: 8 }));
  const spec = at(body, 'spec', 'hashedRekordV002');
  const digest = bytesAt(spec, 'data', 'digest');
  const der = bytesAt(spec, 'signature', 'verifier', 'x509Certificate', 'rawBytes');
  const certificate = der && attempt(() => parseCertificate(der));
  const algorithm = at(spec, 'data', 'algorithm') === 'SHA2_384' ? 'sha384' : 'sha256';
  return keysOfFacts({
    ...vendorOf(certificate?.uriSans[0] ?? ''),
    digests: digest ? [`${algorithm}:${encodeHex(digest)}`] : [],
    ...(der && { certificate: sha256(der) }),
  });
}

/** The keys that facts stand for, each once; what is spelt in no way that the map knows is none. */
export function keysOfFacts({ vendorId, applicationId, digests, certificate }: IndexFacts): IndexKey[] {
  const keys: IndexKey[] = [];
  if (vendorId !== undefined) keys.push({ kind: 'vendor', value: vendorId });
  if (applicationId !== undefined) keys.push({ kind: 'application', value: applicationId });
  for (const value of new Set(digests)) keys.push({ kind: 'digest', value });
  if (certificate) keys.push({ kind: 'certificate', value: encodeHex(certificate) });
  return keys.filter(isCanonical);
}

function keysOfRecord(payload: Uint8Array): IndexKey[] {
  const record = attempt(() => parseJson(payload, { maxBytes: MAX_STATEMENT_BYTES, maxDepth: 32 }));
  const [vendor, fingerprint] = [at(record, 'vendor'), at(record, 'fingerprint')];
  const keys: IndexKey[] = [];
  if (typeof vendor === 'string') keys.push({ kind: 'vendor', value: vendor });
  if (typeof fingerprint === 'string') keys.push({ kind: 'certificate', value: fingerprint });
  return keys.filter(isCanonical);
}

function vendorOf(uri: string): { vendorId?: string } {
  const vendorId = /^https:\/\/([^./]+)\.vendors\./.exec(uri)?.[1];
  return vendorId === undefined ? {} : { vendorId };
}

function isCanonical({ kind, value }: IndexKey): boolean {
  return KINDS[kind].form.test(value);
}

function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (held, name) =>
      typeof held === 'object' && held !== null && Object.hasOwn(held, name)
        ? (held as Record<string, unknown>)[name]
        : undefined,
    value,
  );
}

function bytesAt(value: unknown, ...path: readonly string[]): Uint8Array | undefined {
  const text = at(value, ...path);
  return typeof text === 'string' ? attempt(() => parseBase64(text)) : undefined;
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

/** What the log admits, with room for the header. */
const MAX_STATEMENT_BYTES = 2 << 20;
