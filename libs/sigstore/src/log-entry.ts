import { encodeBase64, parseUtf8 } from '@margo-trust/bytes';

export interface LogEntry {
  readonly index: bigint;
  /** All 32 bytes of the checkpoint key's id (`verifierKeyId` of libs/tlog). */
  readonly logId: Uint8Array;
  readonly leaf: Uint8Array;
  /** Of a tree of `size` leaves with this root, from the leaf's sibling upwards. */
  readonly path: readonly Uint8Array[];
  readonly size: bigint;
  readonly root: Uint8Array;
  /** The signed note over that tree. */
  readonly checkpoint: Uint8Array;
}

/**
 * A `TransparencyLogEntry` (protobuf-specs, rekor v1) as Go reads it: no member more, 64-bit numbers as strings. The log dates
 * nothing, so that `integratedTime` is 0: a time-stamp has to come along.
 */
export function describeLogEntry(entry: LogEntry): object {
  const { index, logId, leaf, path, size, root, checkpoint } = entry;
  return {
    logIndex: index.toString(),
    logId: { keyId: encodeBase64(logId) },
    kindVersion: { kind: 'hashedrekord', version: '0.0.2' },
    integratedTime: '0',
    inclusionProof: {
      logIndex: index.toString(),
      rootHash: encodeBase64(root),
      treeSize: size.toString(),
      hashes: path.map(encodeBase64),
      checkpoint: { envelope: parseUtf8(checkpoint) },
    },
    canonicalizedBody: encodeBase64(leaf),
  };
}
