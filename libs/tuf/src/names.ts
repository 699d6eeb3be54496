import { TOP_LEVEL_ROLES, type TargetFile } from './metadata.ts';

/** Where a repository with consistent snapshots keeps a role's file (TUF specification §7.1): only timestamp has no version. */
export function metadataPath(role: string, version: number): string {
  return role === 'timestamp' ? 'timestamp.json' : `${version}.${role}.json`;
}

/** Where a repository with consistent snapshots keeps a target. Names are flat, so all clients agree on the path. */
export function targetPath(name: string, target: TargetFile): string {
  return `targets/${target.hashes.sha256}.${name}`;
}

/** A name that all clients ask for by the same path: no folder, no leading dot, nothing that URLs escape. */
export function isTargetName(name: string): boolean {
  return name.length <= 200 && /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(name);
}

/** A name for a delegated role: not one of the four, and not a number, which objects in JavaScript would reorder. */
export function isDelegatedRoleName(name: string): boolean {
  const isTaken: boolean = (TOP_LEVEL_ROLES as readonly string[]).includes(name);
  return name.length <= 64 && /^[a-z0-9-]*[a-z-][a-z0-9-]*$/.test(name) && !isTaken;
}

/** A glob all clients read alike: `*` and `?` only, and no `**`. */
export function isPathPattern(pattern: string): boolean {
  return pattern.length <= 200 && /^[A-Za-z0-9_?*-][A-Za-z0-9._?*-]*$/.test(pattern) && !pattern.includes('**');
}

/** Whether a glob covers a flat name. Linear in pattern × name: a pattern can't be made to explode. */
export function matchesPattern(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let starred = 0; // how much of the name the last star has eaten, as an index
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p++;
      starred = n;
    } else if (pattern[p] === '?' || pattern[p] === name[n]) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++starred;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
