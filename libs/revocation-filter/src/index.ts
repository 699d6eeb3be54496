export { buildInSteps, buildRevocationFilter, type FilterContent } from './build.ts';
export { FilterFault, type FilterFaultCode } from './fault.ts';
export { FilterKeys } from './key.ts';
export { openRevocationFilter, type RevocationFilter } from './open.ts';
