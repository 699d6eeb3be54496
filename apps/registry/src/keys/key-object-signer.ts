import { createPublicKey, type KeyObject, sign as signAsync } from 'node:crypto';
import type { SignatureAlgorithm } from '@margo-trust/crypto';
import { Signer } from './signer.ts';

/** Signs with a key held in this process, on the thread pool. */
export class KeyObjectSigner extends Signer {
  readonly algorithm: SignatureAlgorithm;
  readonly spki: Uint8Array;
  readonly #key: KeyObject;
  readonly #digest: string | null;

  constructor(key: KeyObject) {
    super();
    [this.algorithm, this.#digest] = algorithmFor(key);
    this.spki = Uint8Array.from(createPublicKey(key).export({ type: 'spki', format: 'der' }));
    this.#key = key;
  }

  sign(data: Uint8Array, encoding: 'raw' | 'der' = 'raw'): Promise<Uint8Array> {
    const key = { key: this.#key, dsaEncoding: encoding === 'der' ? ('der' as const) : ('ieee-p1363' as const) };
    return new Promise((resolve, reject) => {
      signAsync(this.#digest, data, key, (error, signature) =>
        error ? reject(error) : resolve(Uint8Array.from(signature)),
      );
    });
  }
}

function algorithmFor(key: KeyObject): [SignatureAlgorithm, string | null] {
  if (key.asymmetricKeyType === 'ed25519') return ['Ed25519', null];
  const curve = key.asymmetricKeyType === 'ec' ? key.asymmetricKeyDetails?.namedCurve : undefined;
  if (curve === 'prime256v1') return ['ES256', 'sha256'];
  if (curve === 'secp384r1') return ['ES384', 'sha384'];
  throw new Error(`A service key must be P-256, P-384 or Ed25519, not ${curve ?? key.asymmetricKeyType}.`);
}
