import { CborFault, CborTag, decodeCbor, encodeCbor, isCborMap, type CborMap, type CborValue } from '@margo-trust/cbor';
import { CoseFault } from './fault.ts';
import { LABEL } from './label.ts';

/** A COSE_Sign1 as it was received (RFC 9052 §4.2). */
export interface CoseSign1 {
  /** Content of the protected byte string, never re-encoded. */
  readonly protectedBytes: Uint8Array;
  readonly protectedHeader: CborMap;
  /** Anybody may have changed this one on the way. */
  readonly unprotectedHeader: CborMap;
  /** undefined when detached (nil). */
  readonly payload: Uint8Array | undefined;
  readonly signature: Uint8Array;
}

/**
 * Reads a COSE_Sign1 with tag 18. Nothing is verified yet.
 *
 * `bytes` come from the peer; `maxBytes` defaults to 1 MiB. Stricter than RFC 9052 §3: labels are integers or text and
 * unique, `alg` and `crit` do not stand in both headers, and `crit` is protected (§3.1).
 */
export function parseCoseSign1(bytes: Uint8Array, limits: { readonly maxBytes?: number } = {}): CoseSign1 {
  if (bytes.length > (limits.maxBytes ?? 1_048_576)) {
    throw new CoseFault('cose/too-large', 'The COSE message is too large.');
  }
  const tagged = decode(bytes);
  if (!(tagged instanceof CborTag) || tagged.tag !== SIGN1_TAG || !Array.isArray(tagged.value)) throw notSign1();
  const parts: readonly CborValue[] = tagged.value;
  const [protectedBytes, unprotectedHeader, payload, signature] = parts;
  if (
    parts.length !== 4 ||
    !(protectedBytes instanceof Uint8Array) ||
    !isCborMap(unprotectedHeader) ||
    !(payload === null || payload instanceof Uint8Array) ||
    !(signature instanceof Uint8Array)
  ) {
    throw notSign1();
  }

  const protectedHeader = parseProtected(protectedBytes);
  refuseStrangeHeaders(protectedHeader, unprotectedHeader);
  return { protectedBytes, protectedHeader, unprotectedHeader, payload: payload ?? undefined, signature };
}

/** The message with tag 18: the protected bytes as they are, the unprotected header in deterministic order. */
export function encodeCoseSign1(message: Omit<CoseSign1, 'protectedHeader'>): Uint8Array {
  const { protectedBytes, unprotectedHeader, payload, signature } = message;
  return encodeCbor(new CborTag(SIGN1_TAG, [protectedBytes, unprotectedHeader, payload ?? null, signature]));
}

/**
 * The bytes a signature covers: the Sig_structure with context "Signature1" (RFC 9052 §4.4).
 *
 * A protected header that is an empty map counts as the empty string, whichever way it was sent.
 */
export function toBeSigned(
  protectedBytes: Uint8Array,
  payload: Uint8Array,
  externalAad: Uint8Array = new Uint8Array(),
): Uint8Array {
  const isEmptyMap = protectedBytes.length === 1 && protectedBytes[0] === EMPTY_MAP;
  return encodeCbor(['Signature1', isEmptyMap ? new Uint8Array() : protectedBytes, externalAad, payload]);
}

function parseProtected(bytes: Uint8Array): CborMap {
  if (bytes.length === 0) return new Map();
  const header = decode(bytes);
  if (!isCborMap(header)) throw new CoseFault('cose/malformed', 'The protected header is not a map.');
  return header;
}

function refuseStrangeHeaders(protectedHeader: CborMap, unprotectedHeader: CborMap): void {
  for (const label of [...protectedHeader.keys(), ...unprotectedHeader.keys()]) {
    if (typeof label !== 'number' && typeof label !== 'string') {
      throw new CoseFault('cose/malformed', 'A header label is neither an integer nor text.');
    }
  }
  if (unprotectedHeader.has(LABEL.critical)) {
    throw new CoseFault('cose/malformed', 'The header parameter crit must be protected.');
  }
  if (protectedHeader.has(LABEL.algorithm) && unprotectedHeader.has(LABEL.algorithm)) {
    throw new CoseFault('cose/malformed', 'The algorithm stands in both headers.');
  }
}

function decode(bytes: Uint8Array): CborValue {
  try {
    return decodeCbor(bytes);
  } catch (cause) {
    if (cause instanceof CborFault) throw new CoseFault('cose/malformed', cause.message, { cause });
    throw cause;
  }
}

function notSign1(): CoseFault {
  return new CoseFault('cose/malformed', 'Expected a COSE_Sign1 with tag 18.');
}

const SIGN1_TAG = 18;
const EMPTY_MAP = 0xa0;
