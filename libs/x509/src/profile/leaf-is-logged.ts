import { readScts, verifySct } from '../sct.ts';
import { X509Fault } from '../fault.ts';
import type { LeafRule } from './rule.ts';

/** One SCT, of our log: Sigstore clients want one, and what is in no log must not be issued. */
export const leafIsLogged: LeafRule = {
  name: 'leaf-is-logged',
  source: 'RFC 6962 §3.3; Margo certificate profile',
  check: (certificate, { issuer, log }) => {
    if (log === undefined) return undefined;
    try {
      verifySct(certificate, issuer.spki, log);
      return readScts(certificate).length === 1 ? undefined : 'it has more than one SCT';
    } catch (error) {
      if (error instanceof X509Fault) return error.message;
      throw error;
    }
  },
};
