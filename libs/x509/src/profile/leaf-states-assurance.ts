import { findAssurance } from '../leaf-profile.ts';
import type { LeafRule } from './rule.ts';

export const leafStatesAssurance: LeafRule = {
  name: 'leaf-states-assurance',
  source: 'RFC 5280 §4.2.1.4; CSBR §7.1.6',
  check: ({ policies }, { policyArc }) => {
    const [policy, ...others] = policies;
    if (policy === undefined || others.length > 0) return `it has ${policies.length} policies`;
    return findAssurance(policy, policyArc) ? undefined : `policy ${policy} is not one of ours`;
  },
};
