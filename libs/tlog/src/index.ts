export { TlogFault, type TlogFaultCode } from './fault.ts';
export { encodeCheckpoint, parseCheckpoint, type Checkpoint } from './checkpoint.ts';
export { encodeNote, parseNote, type Note, type NoteSignature } from './note.ts';
export {
  ED25519_COSIGNATURE,
  ED25519_NOTE,
  encodeVerifierKey,
  ML_DSA_44_COSIGNATURE,
  parseVerifierKey,
  verifierKeyId,
  type VerifierKey,
} from './verifier-key.ts';
export { verifierKeyFromSpki, verifierKeySpki } from './key-spki.ts';
export {
  cosignatureToBeSigned,
  encodeCosignature,
  parseCosignature,
  subtreeToBeSigned,
  type Subtree,
} from './cosignature.ts';
export { verifyNote, type VerifyMlDsa44 } from './verify-note.ts';
export { isInWindow, verifyLogNote, type CheckpointKey, type KeyWindow } from './checkpoint-key.ts';
export {
  encodePolicy,
  isQuorum,
  parsePolicy,
  verifyWitnessed,
  type Policy,
  type PolicyGroup,
  type PolicyLog,
  type PolicyWitness,
  type WitnessedCheckpoint,
} from './policy.ts';
export {
  encodeAddCheckpoint,
  encodeSignatureLines,
  encodeSignSubtree,
  encodeSizeAnswer,
  judgeCheckpoint,
  judgeSubtree,
  originOfRequest,
  parseAddCheckpoint,
  parseSignatureLines,
  parseSignSubtree,
  parseSizeAnswer,
  type AddCheckpoint,
  type SignSubtree,
  type WitnessedTree,
} from './witness.ts';
export { bundlePath, parseTilePath, rootOfTile, tilePath, type BundleRef, type TileRef } from './tile.ts';
export { encodeEntryBundle, parseEntryBundle } from './bundle.ts';
export { hashesForConsistency, hashesForInclusion, hashesForRoot, type TreeNode } from './nodes.ts';
export {
  consistencyFromTiles,
  inclusionFromTiles,
  nodeFromTiles,
  rootFromTiles,
  tilesForNodes,
  type LoadTile,
} from './from-tiles.ts';
export { inclusionFromNodes, placesForInclusion, TileNodes, type NodePlace } from './tile-nodes.ts';
export { fullTilesAdded, partialTiles, widthOfTile } from './implied-tiles.ts';
export { tilesOfAppended } from './grow-tiles.ts';
export { encodeTlogProof, parseTlogProof, verifyTlogProof, type LoggedEntry, type TlogProof } from './tlog-proof.ts';
