import { OID } from '../oid.ts';
import type { LeafRule } from './rule.ts';

/** Notation refuses leaves with time stamping or client authentication beside it. */
export const leafSignsCodeOnly: LeafRule = {
  name: 'leaf-signs-code-only',
  source: 'RFC 5280 §4.2.1.12; CSBR §7.1.2.3 f',
  check: ({ extendedKeyUsage }) =>
    extendedKeyUsage?.join() === OID.codeSigning ? undefined : 'the purpose is not code signing alone',
};
