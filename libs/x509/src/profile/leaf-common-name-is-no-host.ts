import { OID } from '../oid.ts';
import type { LeafRule } from './rule.ts';

/** OpenSSL takes a common name that looks like a host for one, and our issuing CA may not certify any. */
export const leafCommonNameIsNoHost: LeafRule = {
  name: 'leaf-common-name-is-no-host',
  source: 'RFC 6125 §6.4.4; OpenSSL NAME_CONSTRAINTS_check_CN',
  check: ({ subject }) => {
    const names = subject.rdns.flat().filter(({ oid }) => oid === OID.commonName);
    return names.some(({ value }) => looksLikeHost(value)) ? 'the common name looks like a host name' : undefined;
  },
};

export function looksLikeHost(text: string): boolean {
  return /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)+$/i.test(text);
}
