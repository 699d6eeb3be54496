import 'reflect-metadata';
import { realpathSync } from 'node:fs';
import { runRegistry } from './run.ts';

export { runRegistry } from './run.ts';
export { startRegistry, type RunningRegistry } from './registry.ts';

const isProgram = process.argv[1] !== undefined && realpathSync(process.argv[1]) === import.meta.filename;
if (isProgram) await runRegistry(process.env);
