import { TlogFault } from './fault.ts';
import { FULL_WIDTH } from './tile.ts';

/** Each entry after its length in two bytes (C2SP tlog-tiles, "Log entries"): 1 to 256 entries of at most 65,535 bytes. */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Uint8Array {
  if (entries.length < 1 || entries.length > FULL_WIDTH) throw refused('A bundle has 1 to 256 entries.');
  const bytes = new Uint8Array(entries.reduce((sum, entry) => sum + 2 + entry.length, 0));
  let at = 0;
  for (const entry of entries) {
    if (entry.length > MAX_ENTRY_BYTES) throw refused(`An entry has at most ${MAX_ENTRY_BYTES} bytes.`);
    bytes.set([entry.length >> 8, entry.length & 0xff], at);
    bytes.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bytes;
}

/** The entries of a bundle. That they are the log's, only their leaf hashes can show. */
export function parseEntryBundle(bytes: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const [high, low] = bytes.subarray(at, at + 2);
    if (high === undefined || low === undefined) throw refused('The bundle ends within a length.');
    const [start, end] = [at + 2, at + 2 + ((high << 8) | low)];
    if (end > bytes.length) throw refused('The bundle ends within an entry.');
    if (entries.length === FULL_WIDTH) throw refused('A bundle has at most 256 entries.');
    entries.push(bytes.slice(start, end));
    at = end;
  }
  if (entries.length === 0) throw refused('A bundle has at least one entry.');
  return entries;
}

function refused(message: string): TlogFault {
  return new TlogFault('tlog/bad-bundle', message);
}

const MAX_ENTRY_BYTES = 0xffff;
