import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { generateKey, writeKey } from './development-keys.ts';
import { keyFile, type KeyType, keyUriFile, ONLINE_SLOTS, type OnlineSlot } from './slots.ts';

/**
 * Makes the online keys that `directory` lacks, for a registry that is to be founded: PKCS#8 PEM of mode 0600. A key that a URI says is in
 * a token is there. Returns the paths of those that were made.
 */
export function createOnlineKeys(directory: string, passphrase?: string): string[] {
  const slots = Object.entries(ONLINE_SLOTS) as [OnlineSlot, KeyType][];
  const isThere = (file: string) => existsSync(join(directory, file));
  const missing = slots.filter(([slot]) => !isThere(keyFile(slot)) && !isThere(keyUriFile(slot)));
  return missing.map(([slot, type]) => {
    const path = join(directory, keyFile(slot));
    writeKey(path, generateKey(type), passphrase);
    return path;
  });
}
