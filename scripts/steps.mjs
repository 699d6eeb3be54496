import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from './prepare.mjs';

/** The program of an installed package, run by this Node. */
export function tool(path, ...options) {
  return [process.execPath, join(root, 'node_modules', path), ...options];
}

export const vitest = (project, ...options) =>
  tool('vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts', '--project', project, ...options);

/** Runs every step, also after one has failed, so that one run names everything that is broken. Returns whether all passed. */
export async function runSteps(steps) {
  const results = [];
  for (const [name, command] of steps) {
    console.log(`\n── ${name}`);
    const begun = performance.now();
    const passed = await run(command);
    results.push([name, passed, ((performance.now() - begun) / 1000).toFixed(1)]);
  }
  console.log('');
  for (const [name, passed, seconds] of results) console.log(`${passed ? 'ok    ' : 'FAILED'}  ${name} (${seconds} s)`);
  return results.every(([, passed]) => passed);
}

function run([program, ...options]) {
  return new Promise((resolve) => {
    const child = spawn(program, options, { cwd: root, stdio: 'inherit' });
    const forward = (signal) => {
      child.kill(signal);
      process.exitCode = 130;
    };
    process.once('SIGINT', forward);
    process.once('SIGTERM', forward);
    child.on('error', (error) => {
      console.error(error.message);
      resolve(false);
    });
    child.on('exit', (code, signal) => {
      process.off('SIGINT', forward);
      process.off('SIGTERM', forward);
      if (signal !== null || process.exitCode === 130) process.exit(130);
      resolve(code === 0);
    });
  });
}
