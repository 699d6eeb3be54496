import { constants, createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { SignatureAlgorithm } from '@margo-trust/crypto';
import { ClientFault } from './fault.ts';

/** Whoever can sign as a vendor: a key file here, later a token or an HSM. */
export interface StatementSigner {
  readonly algorithm: SignatureAlgorithm;
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Uint8Array;
  /** ECDSA signatures are raw r‖s. */
  sign(data: Uint8Array): Promise<Uint8Array>;
}

export type PrivateKeyType = 'P-256' | 'P-384' | 'RSA-3072';

/** A new private key: PKCS #8 in PEM, encrypted if there is a passphrase. Write it where only its owner can read it. */
export function makePrivateKey(type: PrivateKeyType, passphrase?: string): string {
  const { privateKey } =
    type === 'RSA-3072'
      ? generateKeyPairSync('rsa', { modulusLength: 3072 })
      : generateKeyPairSync('ec', { namedCurve: type });
  const cipher = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  return privateKey.export({ type: 'pkcs8', format: 'pem', ...cipher }) as string;
}

/**
 * A signer that holds this private key (PEM). It signs with ES256, ES384 or PS384: one algorithm for each kind of key,
 * those that `notation` accepts (signing profile, "Why the envelope looks like this"). Anything else is `client/bad-key`,
 * RSA keys of other sizes too: with 4096 bits `notation` accepts PS512 only, which the profile does not have.
 */
export function openPrivateKey(pem: string, passphrase?: string): StatementSigner {
  const key = readKey(pem, passphrase);
  const { algorithm, hash, options } = methodOf(key);
  return {
    algorithm,
    spki: new Uint8Array(createPublicKey(key).export({ type: 'spki', format: 'der' })),
    sign: (data) => Promise.resolve(new Uint8Array(sign(hash, data, { key, ...options }))),
  };
}

function readKey(pem: string, passphrase: string | undefined): KeyObject {
  if (/^-----BEGIN ENCRYPTED PRIVATE KEY-----$|^Proc-Type: 4,ENCRYPTED/m.test(pem) && passphrase === undefined) {
    throw new ClientFault('client/bad-key', 'The private key is encrypted, and no passphrase was given.');
  }
  try {
    return createPrivateKey({ key: pem, format: 'pem', ...(passphrase !== undefined && { passphrase }) });
  } catch (cause) {
    throw new ClientFault('client/bad-key', 'That is not a private key in PEM, or the passphrase is wrong.', { cause });
  }
}

function methodOf(key: KeyObject): { algorithm: SignatureAlgorithm; hash: string; options: object } {
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  const ecdsa = { dsaEncoding: 'ieee-p1363' };
  if (namedCurve === 'prime256v1') return { algorithm: 'ES256', hash: 'sha256', options: ecdsa };
  if (namedCurve === 'secp384r1') return { algorithm: 'ES384', hash: 'sha384', options: ecdsa };
  if (key.asymmetricKeyType === 'rsa' && modulusLength === 3072) {
    const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants;
    return { algorithm: 'PS384', hash: 'sha384', options: { padding, saltLength } };
  }
  throw new ClientFault('client/bad-key', 'Signing keys are P-256, P-384, or RSA with exactly 3072 bits.');
}
