import { findDocument } from './document.ts';
import { EVERY_CLIENT, FILE_RULES, type TufClient } from './file-rules.ts';
import { checkNames, checkSnapshots, checkUpdate, type Remark } from './repository-rules.ts';

/** One thing that keeps a client from updating from a repository. */
export interface Finding {
  readonly rule: string;
  /** Path in the repository. */
  readonly path: string;
  readonly message: string;
  /** The clients known to stumble. */
  readonly breaks: readonly TufClient[];
}

/**
 * What keeps tuf-js, python-tuf, go-tuf or tough from using a repository: nothing if the list is empty.
 *
 * `files` is the whole repository, by path (`1.root.json`, `targets/<sha256>.<name>`). The rules are the intersection
 * of what the four clients accept, so a repository may follow the TUF specification and still have findings. Expiry
 * is not among them.
 */
export function lintRepository(files: ReadonlyMap<string, Uint8Array>): Finding[] {
  const findings: Finding[] = [];
  const documents = [...files]
    .filter(([path]) => !path.includes('/') && path.endsWith('.json'))
    .flatMap(([path, bytes]) => {
      const document = findDocument(path, bytes);
      if (!document) findings.push({ rule: 'json', path, message: 'The file is not JSON.', breaks: EVERY_CLIENT });
      return document ?? [];
    });
  for (const document of documents) {
    for (const { rule, breaks, check } of FILE_RULES) {
      for (const message of check(document)) findings.push({ rule, path: document.path, message, breaks });
    }
  }
  const add = (rule: string, remarks: Iterable<Remark>): void => {
    for (const [path, message] of remarks) findings.push({ rule, path, message, breaks: EVERY_CLIENT });
  };
  add('names', checkNames(documents));
  add('snapshot-keeps-roles', checkSnapshots(documents));
  add('update', checkUpdate(files));
  return findings;
}
