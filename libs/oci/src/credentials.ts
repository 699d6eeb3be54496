import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { parseBase64, parseUtf8 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { OciFault } from './fault.ts';
import { isObject, parseJsonObject, type JsonObject } from './json.ts';

export type Credentials =
  | { readonly username: string; readonly password: string }
  /** An OAuth 2 refresh token, as `docker login` keeps it for some registries. */
  | { readonly identityToken: string };

/** Who to be at a registry host (`docker.io`, `registry.example:5000`); `undefined` is anonymous. */
export type CredentialStore = (registry: string) => Promise<Credentials | undefined>;

/**
 * The credentials that `docker login`, `podman login` or `oras login` left in this file (usually
 * `~/.docker/config.json`): `credHelpers`, then `credsStore`, then `auths`. A file that is not there holds none.
 *
 * A helper is a program on the PATH, `docker-credential-<name>`; it is run when its registry is asked for.
 */
export function dockerCredentials(configFile: string): CredentialStore {
  return async (registry) => {
    const bytes = await readFile(configFile).catch(() => undefined);
    if (!bytes) return undefined;
    const config = parseJsonObject(bytes, 1_048_576, 'oci/bad-credentials', 'The credentials file');
    const keys =
      registry === 'docker.io' ? ['https://index.docker.io/v1/', 'docker.io'] : [registry, `https://${registry}`];
    for (const key of keys) {
      const found = await findCredentials(config, key);
      if (found) return found;
    }
    return undefined;
  };
}

async function findCredentials(config: JsonObject, key: string): Promise<Credentials | undefined> {
  const helper = member(config, 'credHelpers', key) ?? config['credsStore'];
  if (typeof helper === 'string' && helper !== '') {
    const found = await askHelper(helper, key);
    if (found) return found;
  }
  const entry = member(config, 'auths', key) ?? member(config, 'auths', `${key}/v1/`);
  return isObject(entry) ? readEntry(entry) : undefined;
}

function member(config: JsonObject, section: string, key: string): unknown {
  const found = config[section];
  return isObject(found) && Object.hasOwn(found, key) ? found[key] : undefined;
}

function readEntry(entry: JsonObject): Credentials | undefined {
  const { auth, identitytoken, username, password } = entry;
  if (typeof identitytoken === 'string' && identitytoken !== '') return { identityToken: identitytoken };
  if (typeof username === 'string' && typeof password === 'string' && username !== '') return { username, password };
  if (typeof auth !== 'string' || auth === '') return undefined;
  try {
    const text = parseUtf8(parseBase64(auth));
    const colon = text.indexOf(':');
    if (colon > 0) return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') };
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
  }
  throw new OciFault('oci/bad-credentials', 'The credentials file has an "auth" that is not base64 of user:password.');
}

async function askHelper(name: string, key: string): Promise<Credentials | undefined> {
  if (!/^[A-Za-z0-9._-]+$/.test(name)) throw new OciFault('oci/bad-credentials', 'A credential helper has a bad name.');
  const answer = await runHelper(`docker-credential-${name}`, key);
  if (!answer) return undefined;
  const { Username, Secret } = parseJsonObject(
    answer,
    65_536,
    'oci/bad-credentials',
    'The answer of the credential helper',
  );
  if (typeof Username !== 'string' || typeof Secret !== 'string' || Secret === '') return undefined;
  return Username === '<token>' ? { identityToken: Secret } : { username: Username, password: Secret };
}

/** A helper that has nothing exits with an error; so the difference from a broken one is only its text. */
function runHelper(program: string, key: string): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, ['get'], { timeout: 60_000, encoding: 'buffer' }, (error, stdout) => {
      if (!error) resolve(stdout);
      else if (/not found/i.test(stdout.toString())) resolve(undefined);
      else reject(new OciFault('oci/bad-credentials', `The credential helper ${program} failed.`, { cause: error }));
    });
    child.stdin?.on('error', () => undefined); // it may exit without reading
    child.stdin?.end(key);
  });
}
