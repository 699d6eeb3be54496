export { IndexMapFault, type IndexMapFaultCode } from './fault.ts';
export {
  hashKey,
  keysOfFacts,
  keysOfRawLeaf,
  keysOfStatement,
  parseIndexKey,
  type IndexFacts,
  type IndexKey,
  type KeyKind,
} from './key.ts';
export {
  BUCKET_DEPTH,
  findInBucket,
  IndexMap,
  prefixOf,
  recomputeMapRoot,
  TILE_BYTES,
  TILE_DEPTHS,
  type Addition,
  type IndexedEntry,
  type MapParts,
  type TileDepth,
} from './map.ts';
export { hashLink, RECORD_BYTES } from './node.ts';
export { verifyChain, verifyMapProof, type ChainedEntry, type KeyState, type MapProof } from './proof.ts';
export { describeMapRecord, findMapRecord, type MapRecord } from './record.ts';
