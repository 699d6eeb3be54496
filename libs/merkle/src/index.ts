export { MerkleFault, type MerkleFaultCode } from './fault.ts';
export { EMPTY_ROOT, hashChildren, hashLeaf, type Hash } from './hash.ts';
export { rootFromInclusion } from './inclusion.ts';
export { rootFromConsistency, verifyConsistency } from './consistency.ts';
export { verifySubtreeConsistency, verifySubtreeInclusion } from './subtree.ts';
export { appendLeaves, emptyRange, provePathsOfAppended, rootOfRange, type CompactRange } from './range.ts';
