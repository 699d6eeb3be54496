import { encodeBase64, parseBase64 } from '@margo-trust/bytes';
import { TufFault } from './fault.ts';

/** A public key as the PEM text of its SubjectPublicKeyInfo (RFC 7468 §13), 64 characters a line. */
export function encodePublicKeyPem(spki: Uint8Array): string {
  const lines = encodeBase64(spki).match(/.{1,64}/g) ?? [];
  return [HEADER, ...lines, FOOTER, ''].join('\n');
}

/** The SubjectPublicKeyInfo in a PEM text: one block, nothing around it but white space at the end. */
export function parsePublicKeyPem(pem: string): Uint8Array {
  const lines = pem.trimEnd().split(/\r?\n/);
  if (lines.length < 3 || lines.shift() !== HEADER || lines.pop() !== FOOTER) {
    throw new TufFault('tuf/bad-key', 'The key is not a PEM public key.');
  }
  try {
    return parseBase64(lines.join(''));
  } catch (cause) {
    throw new TufFault('tuf/bad-key', 'The key is not a PEM public key.', { cause });
  }
}

const HEADER = '-----BEGIN PUBLIC KEY-----';
const FOOTER = '-----END PUBLIC KEY-----';
