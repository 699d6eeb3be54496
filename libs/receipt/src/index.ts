export { ReceiptFault, type ReceiptFaultCode } from './fault.ts';
export { encodeReceiptProtected, receiptToBeSigned, type ReceiptHead, type ReceiptProtectedSpec } from './head.ts';
export { encodeConsistencyReceipt, encodeReceipt, type ReceiptParts } from './assemble.ts';
export {
  assembleReceipt,
  encodeSignedRoot,
  parseSignedRoot,
  verifySignedRoot,
  type SignedRoot,
} from './signed-root.ts';
export type { ConsistencyProof, InclusionProof } from './proof.ts';
export type { ReceiptKey } from './key.ts';
export { parseReceipt, verifyReceipt, type LoggedStatement, type Receipt, type VerifiedReceipt } from './inclusion.ts';
export {
  parseConsistencyReceipt,
  verifyConsistencyReceipt,
  type ConsistencyReceipt,
  type VerifiedTree,
} from './consistency.ts';
