import { verify } from 'node:crypto';
import type { SignatureCheck } from './check.ts';
import { openSslCheck } from './openssl.ts';
import { badSignature } from './prepare.ts';

/** `verifySignature` on the thread pool, for a server that checks many at once: rejects with the same faults. */
export function checkSignatureOnPool(check: SignatureCheck): Promise<void> {
  return new Promise((resolve, reject) => {
    const { digest, key, signature } = openSslCheck(check);
    verify(digest, check.data, key, signature, (error, isValid) => {
      if (error) reject(error);
      else if (isValid) resolve();
      else reject(badSignature());
    });
  });
}
