import type { CaRule } from './rule.ts';

export const caKeyIsP384: CaRule = {
  name: 'ca-key-is-p384',
  source: 'CSBR §6.1.5; Margo certificate profile',
  check: ({ publicKey }) => (publicKey.type === 'P-384' ? undefined : `the key is of type ${publicKey.type}`),
};
