import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface OpenSslRun {
  readonly isOk: boolean;
  /** Both streams. */
  readonly output: string;
  readonly stdout: Buffer;
}

/** Runs `openssl` in a fresh folder that holds `files`; the oracle of many tests. The folder is gone afterwards. */
export function openssl(
  args: readonly string[],
  files: Readonly<Record<string, Uint8Array | string>> = {},
): OpenSslRun {
  const folder = mkdtempSync(join(tmpdir(), 'openssl-'));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    const { status, stdout, stderr, error } = spawnSync('openssl', args, { cwd: folder, timeout: 20_000 });
    if (error) throw error;
    return { isOk: status === 0, output: `${stdout.toString()}${stderr.toString()}`, stdout };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
