export { makeKey, type KeyPair, type KeyPairType } from './key.ts';
export {
  certify,
  makeCas,
  makeCrl,
  makeLeaf,
  nextSerial,
  TEST_CRL_URL,
  TEST_DAY,
  TEST_VENDOR_ID,
  TEST_WORKLOAD,
  withExtension,
  withoutExtension,
  type LeafOptions,
  type TestCas,
  type TestIdentity,
} from './certificates.ts';
export {
  encodePlainTbs,
  generalName,
  plainExtension,
  plainName,
  sealed,
  sealedWith,
  signPlainCertificate,
  signPlainCrl,
  type PlainCertificate,
  type PlainCrl,
  type PlainEntry,
} from './plain.ts';
export { makeOwnCa, makeOwnLeaf, validNow, type OwnOptions } from './own-ca.ts';
export { descend, leafNode, readTree, writeTree, type DerTree } from './der-tree.ts';
export { MALFORMATIONS, spoilTbs, type Malformation } from './malformations.ts';
export { openssl, type OpenSslRun } from './openssl.ts';
export { makeMlDsaWitness, makeWitness, World, type TestVendor, type TestWitness, type WorldOptions } from './world.ts';
