import 'reflect-metadata';
import { runFounding } from './founding/run-founding.ts';

process.exitCode = await runFounding(process.argv.slice(2), process.env, (line) => process.stdout.write(`${line}\n`));
