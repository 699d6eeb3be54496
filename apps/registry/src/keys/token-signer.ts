import type { SignatureAlgorithm } from '@margo-trust/crypto';
import type { TokenKey } from '@margo-trust/pkcs11';
import { encodeSignatureValue } from '@margo-trust/x509';
import { KeyFault } from './key.fault.ts';
import { Signer } from './signer.ts';

/** Signs with a key in a token (PKCS#11), which this process never sees. */
export class TokenSigner extends Signer {
  readonly algorithm: SignatureAlgorithm;
  readonly spki: Uint8Array;
  readonly #key: TokenKey;

  constructor(key: TokenKey) {
    super();
    this.#key = key;
    [this.algorithm, this.spki] = [key.algorithm, key.spki];
  }

  async sign(data: Uint8Array, encoding: 'raw' | 'der' = 'raw'): Promise<Uint8Array> {
    const signature = await this.#key.sign(data).catch((cause: unknown) => {
      throw new KeyFault('key/unavailable', 'The registry cannot reach one of its keys now.', { cause });
    });
    return encoding === 'der' ? encodeSignatureValue(this.algorithm, signature) : signature;
  }
}
