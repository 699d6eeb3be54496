import { encodeHex, encodeUtf8, parseHex, parseJson, parseUtf8 } from '@margo-trust/bytes';
import { decodeCbor, encodeCbor, type CborMap } from '@margo-trust/cbor';
import { coseKeyThumbprint, parseCoseKey, parseCoseSign1, verifyCoseSign1 } from '@margo-trust/cose';
import { parsePublicKey, sha256, sha384, sha512, verifySignature, type SignatureAlgorithm } from '@margo-trust/crypto';

/** The ground, as functions on text, so that they can be called from outside an engine. Bytes are hexadecimal. */

export function typeOfGlobal(name: string): string {
  return typeof (globalThis as Record<string, unknown>)[name];
}

export function digests(text: string): string[] {
  const bytes = encodeUtf8(text);
  return [sha256(bytes), sha384(bytes), sha512(bytes)].map(encodeHex);
}

/** Decoded and encoded again. */
export function reencode(cbor: string): string {
  return encodeHex(encodeCbor(decodeCbor(parseHex(cbor))));
}

export function readJson(hex: string): unknown {
  return parseJson(parseUtf8(parseHex(hex)));
}

/** The payload as text, if the message is signed by the COSE key. */
export function openMessage(message: string, coseKey: string): string | undefined {
  const { key } = parseCoseKey(decodeCbor(parseHex(coseKey)) as CborMap);
  const parsed = parseCoseSign1(parseHex(message));
  verifyCoseSign1(parsed, key);
  return parsed.payload && parseUtf8(parsed.payload);
}

export function thumbprint(coseKey: string): string {
  return encodeHex(coseKeyThumbprint(parseCoseKey(decodeCbor(parseHex(coseKey)) as CborMap).key));
}

export function checkSignature(algorithm: SignatureAlgorithm, spki: string, data: string, signature: string): string {
  const key = parsePublicKey(parseHex(spki));
  verifySignature({ algorithm, key, data: parseHex(data), signature: parseHex(signature) });
  return key.type;
}
