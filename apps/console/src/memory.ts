import { encodeBase64, parseBase64 } from '@margo-trust/bytes';

/**
 * What this browser keeps between visits, so that a registry which changes its story is noticed. It is not a secret, and
 * whoever can write to this browser's storage can change it: it protects against the server, not against the device.
 */
export interface Memory {
  load(name: string): string | undefined;
  keep(name: string, value: string): void;
  forget(): void;
}

/** The newest TUF files this browser accepted: trust on first use, and continuity from then on. */
export interface KnownTrust {
  /** Root file; the next one must be signed by its keys. */
  root: Uint8Array;
  /** Timestamp and snapshot by path: newer ones must not have lower versions. */
  files: ReadonlyMap<string, Uint8Array>;
  firstSeen: Date;
}

/** The newest checkpoint whose signature this browser checked. */
export interface KnownCheckpoint {
  size: bigint;
  root: Uint8Array;
  seen: Date;
}

/** Storage may be full, switched off or filled by somebody else: then nothing is known. */
export function browserMemory(): Memory {
  return {
    load(name) {
      try {
        return localStorage.getItem(PREFIX + name) ?? undefined;
      } catch {
        return undefined;
      }
    },
    keep(name, value) {
      try {
        localStorage.setItem(PREFIX + name, value);
      } catch {
        // without storage every visit is the first one, and the page says so
      }
    },
    forget() {
      try {
        for (const name of Object.keys(localStorage)) if (name.startsWith(PREFIX)) localStorage.removeItem(name);
      } catch {
        // nothing was kept
      }
    },
  };
}

export function findKnownTrust(memory: Memory): KnownTrust | undefined {
  return readKept(memory.load('trust'), ({ root, files, firstSeen }) => ({
    root: parseBase64(String(root)),
    files: new Map(Object.entries(files as object).map(([path, file]) => [path, parseBase64(String(file))])),
    firstSeen: readDate(firstSeen),
  }));
}

export function keepTrust(memory: Memory, { root, files, firstSeen }: KnownTrust): void {
  const texts = [...files].map(([path, file]) => [path, encodeBase64(file)]);
  const kept = { root: encodeBase64(root), files: Object.fromEntries(texts), firstSeen: firstSeen.toISOString() };
  memory.keep('trust', JSON.stringify(kept));
}

export function findKnownCheckpoint(memory: Memory, origin: string): KnownCheckpoint | undefined {
  return readKept(memory.load(`log:${origin}`), ({ size, root, seen }) => ({
    size: BigInt(String(size)),
    root: parseBase64(String(root)),
    seen: readDate(seen),
  }));
}

export function keepCheckpoint(memory: Memory, origin: string, { size, root, seen }: KnownCheckpoint): void {
  memory.keep(
    `log:${origin}`,
    JSON.stringify({ size: String(size), root: encodeBase64(root), seen: seen.toISOString() }),
  );
}

function readKept<T>(text: string | undefined, read: (members: Record<string, unknown>) => T): T | undefined {
  if (text === undefined) return undefined;
  try {
    return read(JSON.parse(text) as Record<string, unknown>);
  } catch {
    return undefined;
  }
}

function readDate(value: unknown): Date {
  const time = new Date(String(value));
  if (Number.isNaN(time.getTime())) throw new RangeError('not a time');
  return time;
}

const PREFIX = 'margo-trust:';
