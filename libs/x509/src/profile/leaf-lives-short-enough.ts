import { findAssurance } from '../leaf-profile.ts';
import type { LeafRule } from './rule.ts';

/** 459 days, one less than allowed, so that no way of counting makes them too many; a day without revocation. */
export const leafLivesShortEnough: LeafRule = {
  name: 'leaf-lives-short-enough',
  source: 'CSBR §6.3.2; RFC 9608 §1',
  check: ({ notBefore, notAfter, policies }, { policyArc }) => {
    const isCi = policies.some((policy) => findAssurance(policy, policyArc) === 'ci');
    const maxHours = isCi ? 24 : 459 * 24;
    const hours = (notAfter.getTime() - notBefore.getTime()) / 3_600_000;
    return hours <= maxHours ? undefined : `it is valid for more than ${maxHours} hours`;
  },
};
