/** What a key is made for. A key never serves two slots. */
export type KeyType = 'Ed25519' | 'P-256' | 'P-384';

/** Keys the running service signs with. */
export const ONLINE_SLOTS = {
  'log-checkpoint': 'Ed25519',
  'log-receipt': 'P-256',
  'log-sct': 'P-256',
  record: 'P-256',
  'ca-issuing-1': 'P-384',
  tsa: 'P-256',
  'tuf-live': 'Ed25519',
  'tuf-snapshot': 'Ed25519',
  'tuf-timestamp': 'Ed25519',
} as const satisfies Record<string, KeyType>;

/**
 * ML-DSA-44, which signs checkpoints beside `log-checkpoint`: a log may get it later or do without. The file holds a seed, see
 * ml-dsa-key.ts.
 */
export const ML_DSA_KEY_FILE = 'log-checkpoint-ml-dsa-44.pem';

/** Keys of ceremonies. They lie below `offline/`, a folder that a production set-up does not have. */
export const OFFLINE_SLOTS = {
  'ca-root': 'P-384',
  'tsa-ca': 'P-384',
  'tuf-root-1': 'Ed25519',
  'tuf-root-2': 'Ed25519',
  'tuf-root-3': 'Ed25519',
  'tuf-targets-1': 'Ed25519',
  'tuf-targets-2': 'Ed25519',
  'tuf-targets-3': 'Ed25519',
} as const satisfies Record<string, KeyType>;

export type OnlineSlot = keyof typeof ONLINE_SLOTS;
export type OfflineSlot = keyof typeof OFFLINE_SLOTS;
export type KeySlot = OnlineSlot | OfflineSlot;

/** Path of a slot's PEM file, relative to the directory of keys. */
export function keyFile(slot: KeySlot): string {
  return slot in OFFLINE_SLOTS ? `offline/${slot}.pem` : `${slot}.pem`;
}
