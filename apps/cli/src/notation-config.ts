import type { TufSnapshot } from '@margo-trust/tuf';

const STORE_FILE = /^notation\.(ca|tsa)\.([\w-]+)\.(\d+)\.crt$/;
const POLICY = 'notation.trustpolicy.oci.json';

/** The targets that `notation` is configured from. The offline role alone may vouch for them. */
export function notationTargets({ targetNames }: TufSnapshot): string[] {
  return targetNames.filter((name) => name === POLICY || STORE_FILE.test(name));
}

/**
 * Files for notation's directory below XDG_CONFIG_HOME, by name: each trust store in its folder, and the policy under both names that
 * versions of it read.
 */
export function collectNotationConfig(snapshot: TufSnapshot): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const name of notationTargets(snapshot)) {
    const [, type, store, number] = STORE_FILE.exec(name) ?? [];
    const content = snapshot.target(name);
    if (type !== undefined && store !== undefined) {
      files.set(`truststore/x509/${type}/${store}/${number}.crt`, content);
    } else for (const file of ['trustpolicy.oci.json', 'trustpolicy.json']) files.set(file, content);
  }
  return files;
}
