import type { PublicKey, SignatureAlgorithm } from '@margo-trust/crypto';
import { X509Fault } from './fault.ts';
import type { Certificate } from './model.ts';

/** What an anchor is believed for. */
export type AnchorPurpose = 'artifact-signing' | 'timestamping' | 'device-idevid';

/** Which keys and signatures a path may be made of. What libs/crypto refuses to read, such as SHA-1, no rule can allow. */
export interface StrengthRules {
  /** Of the modulus. Below 2048 no key is read at all. */
  readonly minRsaBits: number;
  readonly keyTypes: ReadonlySet<PublicKey['type']>;
  /** Of the signatures on certificates and CRLs. */
  readonly signatures: ReadonlySet<SignatureAlgorithm>;
}

const KEY_TYPES: StrengthRules['keyTypes'] = new Set(['P-256', 'P-384', 'P-521', 'RSA', 'Ed25519']);
const SIGNATURES: StrengthRules['signatures'] = new Set([
  ...(['ES256', 'ES384', 'ES512', 'Ed25519'] as const),
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
]);
/** CA/Browser Forum, Code Signing Baseline Requirements 3.10 §6.1.5.2. */
const STRONG: StrengthRules = { minRsaBits: 3072, keyTypes: KEY_TYPES, signatures: SIGNATURES };

/**
 * The rules by what the anchor is for. Signatures and time-stamps on software are believed for decades; a device's
 * birth certificate was chosen by its maker and is checked while the device talks, so RSA of 2048 bits will do (NIST SP
 * 800-131A: until 2030).
 */
export const STRENGTH: Readonly<Record<AnchorPurpose, StrengthRules>> = {
  'artifact-signing': STRONG,
  timestamping: STRONG,
  'device-idevid': { ...STRONG, minRsaBits: 2048 },
};

/** Throws `x509/weak` unless the certificate's key is one the rules allow. */
export function verifyKeyStrength({ publicKey, subjectText }: Certificate, rules: StrengthRules): void {
  if (!rules.keyTypes.has(publicKey.type)) throw weak(`The key is of type ${publicKey.type}: ${subjectText}`);
  if (publicKey.type === 'RSA' && publicKey.bits < rules.minRsaBits) {
    throw weak(`The RSA key has ${publicKey.bits} bits: ${subjectText}`);
  }
}

/** Throws `x509/weak` unless the signature is made in a way the rules allow. An unknown one is `verifySigned`'s to refuse. */
export function verifySignatureStrength(
  { signatureAlgorithm }: { readonly signatureAlgorithm?: SignatureAlgorithm },
  rules: StrengthRules,
): void {
  if (signatureAlgorithm && !rules.signatures.has(signatureAlgorithm)) {
    throw weak(`A signature is made with ${signatureAlgorithm}.`);
  }
}

function weak(message: string): X509Fault {
  return new X509Fault('x509/weak', message);
}
