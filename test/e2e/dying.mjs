/**
 * The registry as it is shipped, but for one thing: it ends by SIGKILL when it reaches the step that `DIE_AT` names for the
 * first time after somebody has sent it SIGUSR2.
 */
import { LogSteps } from '../../apps/registry/dist/log/log-steps.js';
import { TrustSteps } from '../../apps/registry/dist/trust-steps.js';

let isArmed = false;
process.on('SIGUSR2', () => (isArmed = true));
const reached = (step) => {
  if (!isArmed || step !== process.env.DIE_AT) return;
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => undefined); // dead already
};
LogSteps.prototype.reached = reached;
TrustSteps.prototype.reached = reached;
Object.defineProperty(LogSteps.prototype, 'areWatched', { get: () => isArmed });
const { runRegistry } = await import('../../apps/registry/dist/main.js');
await runRegistry(process.env);
