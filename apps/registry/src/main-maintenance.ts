import 'reflect-metadata';
import { runMaintenance } from './maintenance/run-maintenance.ts';

process.exitCode = await runMaintenance(process.argv.slice(2), process.env);
