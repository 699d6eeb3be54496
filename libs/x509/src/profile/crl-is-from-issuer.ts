import { areEqualBytes } from '@margo-trust/bytes';
import { verifyCrl } from '../crl.ts';
import { X509Fault } from '../fault.ts';
import type { CrlRule } from './rule.ts';

export const crlIsFromIssuer: CrlRule = {
  name: 'crl-is-from-issuer',
  source: 'RFC 5280 §5.1.1.3, §5.2.1',
  check: (crl, { issuer }) => {
    if (!crl.aki || !issuer.ski || !areEqualBytes(crl.aki, issuer.ski)) return "the key identifier is not the CA's";
    try {
      verifyCrl(crl, issuer);
      return undefined;
    } catch (error) {
      if (error instanceof X509Fault) return error.message;
      throw error;
    }
  },
};
