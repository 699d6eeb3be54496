import { publicKeyParts } from '@margo-trust/crypto';
import type { LeafRule } from './rule.ts';

/** P-256, P-384, or RSA from 3072 bits with an exponent from 2^16+1. */
export const leafKeyIsStrong: LeafRule = {
  name: 'leaf-key-is-strong',
  source: 'CSBR §6.1.5, §6.1.6',
  check: ({ publicKey }) => {
    if (publicKey.type === 'P-256' || publicKey.type === 'P-384') return undefined;
    const parts = publicKeyParts(publicKey);
    if (parts.type !== 'RSA') return `keys of type ${publicKey.type} are not certified`;
    if (publicKey.bits < 3072) return `the RSA key has ${publicKey.bits} bits`;
    return parts.e.length >= 3 ? undefined : 'the RSA exponent is below 2^16+1';
  },
};
