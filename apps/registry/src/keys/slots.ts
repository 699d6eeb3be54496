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

/** Keys that a log has for itself: those of the first lie with the others, those of another in `logs/<name>`. */
export const LOG_SLOTS = [
  'log-checkpoint',
  'log-receipt',
  'log-sct',
] as const satisfies readonly (keyof typeof ONLINE_SLOTS)[];

/**
 * ML-DSA-44, which signs checkpoints beside `log-checkpoint`: a log may get it later or do without. Files hold a seed, see
 * ml-dsa-key.ts; beside the slot's own may be others, as of any slot.
 */
export const ML_DSA_SLOT = 'log-checkpoint-ml-dsa-44';
export const ML_DSA_KEY_FILE = `${ML_DSA_SLOT}.pem`;

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
/** Keys that a registry gets when an authority hands over to the next one. */
export type LaterSlot = `ca-issuing-${number}` | `ca-root-${number}` | `tsa-ca-${number}` | `tsa-${number}`;
export type KeySlot = OnlineSlot | OfflineSlot | LaterSlot;

/** Where the key of the authority of this name is: `ca-root`, `ca-issuing-2`, `tsa-ca`, `tsa-2`. */
export function authoritySlot(name: string): KeySlot {
  const slot = name.startsWith('tsa') ? name : `ca-${name}`;
  if (keyTypeOf(slot) === undefined) throw new Error(`No key belongs to an authority ${name}.`);
  return slot as KeySlot;
}

/** Type of the key in a slot; undefined if there is no such slot. */
export function keyTypeOf(slot: string): KeyType | undefined {
  const fixed: Readonly<Record<string, KeyType>> = { ...ONLINE_SLOTS, ...OFFLINE_SLOTS };
  if (Object.hasOwn(fixed, slot)) return fixed[slot];
  if (/^(ca-issuing|ca-root|tsa-ca)-[1-9]\d{0,3}$/.test(slot)) return 'P-384';
  return /^tsa-[1-9]\d{0,3}$/.test(slot) ? 'P-256' : undefined;
}

/** Path of the file that says by a PKCS#11 URI where a slot's key is, when it is in a token. */
export function keyUriFile(slot: KeySlot): string {
  return keyFile(slot).replace(/\.pem$/, '.uri');
}

/** Path of a slot's PEM file, relative to the directory of keys. */
export function keyFile(slot: KeySlot): string {
  const isOffline = slot in OFFLINE_SLOTS || /^(ca-root|tsa-ca)-/.test(slot);
  return isOffline ? `offline/${slot}.pem` : `${slot}.pem`;
}
