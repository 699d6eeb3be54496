import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MODULES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
];

/** Path of SoftHSM's module, a token in files; undefined where it is not installed (Debian: softhsm2). */
export const SOFT_HSM: string | undefined = MODULES.find((path) => existsSync(path));

export interface SoftHsm {
  readonly directory: string;
  readonly pinFile: string;
  /** Environment that programs find the token by. */
  readonly env: NodeJS.ProcessEnv;
  /** URI of a key by its label, without PIN. */
  readonly uri: (object: string, token?: string) => string;
  /** `pkcs11-tool` (opensc) with the module and the PIN; its standard output. */
  tool(...args: readonly string[]): string;
  remove(): void;
}

export const PIN = '8642';

/**
 * A new directory with a token `margo` and others of these labels. This process finds it too, since SoftHSM reads `SOFTHSM2_CONF` when it is
 * initialised, which happens once, and sees no later token: one of these per process.
 */
export function makeSoftHsm(...labels: readonly string[]): SoftHsm {
  const module = SOFT_HSM;
  if (module === undefined) throw new Error('SoftHSM is not installed: apt-get install softhsm2 opensc');
  const directory = mkdtempSync(join(tmpdir(), 'margo-hsm-'));
  const configuration = join(directory, 'softhsm2.conf');
  mkdirSync(join(directory, 'tokens'));
  writeFileSync(configuration, `directories.tokendir = ${join(directory, 'tokens')}\nobjectstore.backend = file\n`);
  const pinFile = join(directory, 'pin');
  writeFileSync(pinFile, `${PIN}\n`, { mode: 0o600 });
  process.env['SOFTHSM2_CONF'] = configuration;
  const env = { ...process.env, SOFTHSM2_CONF: configuration, PIN };
  const run = (program: string, args: readonly string[]) =>
    execFileSync(program, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  for (const label of ['margo', ...labels]) {
    run('softhsm2-util', ['--init-token', '--free', '--label', label, '--so-pin', '13579', '--pin', PIN]);
  }
  return {
    ...{ directory, pinFile, env },
    uri: (object, token = 'margo') => `pkcs11:token=${token};object=${object}?module-path=${module}`,
    tool: (...args) =>
      run('pkcs11-tool', ['--module', module, '--token-label', 'margo', '--login', '--pin', 'env:PIN', ...args]),
    remove: () => rmSync(directory, { recursive: true }),
  };
}
