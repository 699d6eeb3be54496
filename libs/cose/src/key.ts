import { encodeCbor, type CborMap, type CborValue } from '@margo-trust/cbor';
import {
  assemblePublicKey,
  CryptoFault,
  publicKeyParts,
  sha256,
  type PublicKey,
  type PublicKeyParts,
} from '@margo-trust/crypto';
import { CoseFault } from './fault.ts';

export interface CoseKey {
  readonly key: PublicKey;
  /** Not bound to the key: it is whatever the sender wrote. */
  readonly kid: Uint8Array | undefined;
}

/** COSE_Key of a public key (RFC 9053 §7, RFC 8230 §4): kty, kid and the numbers, uncompressed. */
export function encodeCoseKey(key: PublicKey, kid: Uint8Array): CborMap {
  return new Map<CborValue, CborValue>([...requiredMembers(key), [KID, kid]]);
}

/**
 * The public key of a COSE_Key: EC2 with both coordinates, OKP with Ed25519, or RSA.
 *
 * The map comes from the peer. One that holds a private part is refused with `cose/private-key`; other members (`alg`,
 * `key_ops`) are ignored. Key faults of libs/crypto (weak, unsupported) pass through.
 */
export function parseCoseKey(map: CborMap): CoseKey {
  const kid = map.get(KID);
  if (kid !== undefined && !(kid instanceof Uint8Array)) throw badKey('The kid of the COSE key is not a byte string.');
  return { key: assemble(partsOf(map)), kid };
}

/** COSE Key Thumbprint (RFC 9679) by SHA-256: 32 bytes over the required members in deterministic encoding. */
export function coseKeyThumbprint(key: PublicKey): Uint8Array {
  return sha256(encodeCbor(new Map(requiredMembers(key))));
}

function requiredMembers(key: PublicKey): [CborValue, CborValue][] {
  const parts = publicKeyParts(key);
  switch (parts.type) {
    case 'RSA':
      return [
        [KTY, RSA],
        [N, parts.n],
        [E, parts.e],
      ];
    case 'Ed25519':
      return [
        [KTY, OKP],
        [CRV, ED25519],
        [X, parts.x],
      ];
    default:
      return [
        [KTY, EC2],
        [CRV, CURVE_IDS[parts.type]],
        [X, parts.x],
        [Y, parts.y],
      ];
  }
}

function partsOf(map: CborMap): PublicKeyParts {
  switch (map.get(KTY)) {
    case RSA:
      refusePrivate(map, -3, -12); // d, p, q … of RFC 8230 §4
      return { type: 'RSA', n: bytesOf(map, N), e: bytesOf(map, E) };
    case OKP:
      refusePrivate(map, D, D);
      if (map.get(CRV) !== ED25519) throw unsupported();
      return { type: 'Ed25519', x: bytesOf(map, X) };
    case EC2: {
      refusePrivate(map, D, D);
      const type = CURVES.find((name) => CURVE_IDS[name] === map.get(CRV));
      if (!type) throw unsupported();
      return { type, x: bytesOf(map, X), y: bytesOf(map, Y) };
    }
    default:
      throw unsupported();
  }
}

function refusePrivate(map: CborMap, from: number, to: number): void {
  for (let label = from; label >= to; label--) {
    if (map.has(label)) throw new CoseFault('cose/private-key', 'The COSE key holds a private key.');
  }
}

function bytesOf(map: CborMap, label: number): Uint8Array {
  const value = map.get(label);
  if (!(value instanceof Uint8Array)) throw badKey('A number of the COSE key is not a byte string.');
  return value;
}

function assemble(parts: PublicKeyParts): PublicKey {
  try {
    return assemblePublicKey(parts);
  } catch (cause) {
    if (cause instanceof CryptoFault && cause.code === 'crypto/bad-key') throw badKey(cause.message, cause);
    throw cause;
  }
}

function badKey(message: string, cause?: unknown): CoseFault {
  return new CoseFault('cose/bad-key', message, { cause });
}

function unsupported(): CoseFault {
  return new CoseFault('cose/unsupported-key', 'This kind of COSE key is not supported.');
}

// Labels of key parameters, key types and curves (RFC 9053 §7, RFC 8230 §4).
const KTY = 1;
const KID = 2;
const OKP = 1;
const EC2 = 2;
const RSA = 3;
const CRV = -1;
const X = -2;
const Y = -3;
const D = -4;
const N = -1;
const E = -2;
const ED25519 = 6;
const CURVES = ['P-256', 'P-384', 'P-521'] as const;
const CURVE_IDS = { 'P-256': 1, 'P-384': 2, 'P-521': 3 } as const;
