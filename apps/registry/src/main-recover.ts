import 'reflect-metadata';
import { runRecovery } from './maintenance/run-recovery.ts';

process.exitCode = await runRecovery(process.argv.slice(2), process.env, (line) => process.stdout.write(`${line}\n`));
