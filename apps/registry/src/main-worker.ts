import 'reflect-metadata';
import { runRegistry } from './run.ts';

await runRegistry({ ...process.env, ROLE: 'worker' });
