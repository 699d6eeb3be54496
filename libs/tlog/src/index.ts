export { TlogFault, type TlogFaultCode } from './fault.ts';
export { encodeCheckpoint, parseCheckpoint, type Checkpoint } from './checkpoint.ts';
export { encodeNote, parseNote, type Note, type NoteSignature } from './note.ts';
export {
  ED25519_COSIGNATURE,
  ED25519_NOTE,
  encodeVerifierKey,
  parseVerifierKey,
  verifierKeyId,
  type VerifierKey,
} from './verifier-key.ts';
export { cosignatureToBeSigned, encodeCosignature, verifyNote } from './verify-note.ts';
export { bundlePath, parseTilePath, tilePath, type BundleRef, type TileRef } from './tile.ts';
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
export { tilesOfAppended } from './grow-tiles.ts';
export { encodeTlogProof, parseTlogProof, verifyTlogProof, type LoggedEntry, type TlogProof } from './tlog-proof.ts';
