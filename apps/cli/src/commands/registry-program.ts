import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CliFault } from '../fault.ts';

/** What a program of the registry has said, line by line, and its exit code. */
export interface ProgramResult {
  readonly said: readonly string[];
  readonly exitCode: number;
}

/**
 * Runs a program of the registry, which is installed with it, with the environment of this process: for the operator, where the registry
 * runs. Throws CliFault `cli/not-found` where it is not installed.
 */
export async function runRegistryProgram(
  name: 'recover' | 'founding',
  args: readonly string[],
): Promise<ProgramResult> {
  const child = spawn(process.execPath, [findProgram(name), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const said: string[] = [];
  createInterface(child.stdout).on('line', (line) => said.push(line));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { said, exitCode: exitCode ?? 1 };
}

function findProgram(name: string): string {
  try {
    return fileURLToPath(import.meta.resolve(`@margo-trust/registry/${name}`));
  } catch (cause) {
    throw new CliFault(
      'cli/not-found',
      'The registry is not installed beside this program.',
      "Run it where the registry runs, with the registry's environment.",
      { cause },
    );
  }
}
