import { Command } from 'commander';
import type { Run } from './command.ts';
import { addAnchor } from './commands/anchor.ts';
import { addBundle } from './commands/bundle.ts';
import { addCa } from './commands/ca.ts';
import { addCert } from './commands/cert.ts';
import { addCompletion } from './commands/completion.ts';
import { addDemo } from './commands/demo.ts';
import { addDevice } from './commands/device.ts';
import { addFounding } from './commands/founding.ts';
import { addLog } from './commands/log.ts';
import { addLogin } from './commands/login.ts';
import { addRegister } from './commands/register.ts';
import { addRevoke } from './commands/revoke.ts';
import { addRoot } from './commands/root.ts';
import { addSign } from './commands/sign.ts';
import { addVendor } from './commands/vendor.ts';
import { addVerify } from './commands/verify.ts';
import { addWitness } from './commands/witness.ts';
import { addOpenpgp } from './commands/openpgp.ts';
import { addWorkload } from './commands/workload.ts';
import { VERSION } from './version.ts';

/** The whole command line. `run` decides what becomes of a command's work. */
export function buildProgram(run: Run): Command {
  const program = new Command('margo-trust')
    .description('Signs Margo applications, logs them, and decides whom to trust.')
    .version(VERSION, '--version')
    .option('--registry <url>', 'the trust registry (MARGO_TRUST_REGISTRY; default: where you signed in last)')
    .option('--token <token>', 'access token to use instead of a sign-in (MARGO_TRUST_TOKEN)')
    .option('--as <account>', 'at a registry for development: act as alice, bob, carol, victor or vera')
    .option('--trust-root <directory>', 'where this machine’s trust root is kept (MARGO_TRUST_ROOT)')
    .option('--plain-http', 'allow a registry on another machine without TLS')
    .option('--json', 'print JSON, failures too')
    .option('--quiet', 'print errors only')
    .showSuggestionAfterError()
    .addHelpText('after', EXIT_CODES);
  for (const add of COMMANDS) add(program, run);
  return program;
}

const COMMANDS = [
  addLogin,
  addVendor,
  addCert,
  addWorkload,
  addAnchor,
  addOpenpgp,
  addRevoke,
  addSign,
  addRegister,
  addRoot,
  addVerify,
  addBundle,
  addDevice,
  addLog,
  addWitness,
  addCa,
  addFounding,
  addDemo,
  addCompletion,
];

const EXIT_CODES = `
Exit codes:
  0 trusted, done           10 unsigned               20 revoked
  1 anything else           11 not found              21 expired
  2 wrong usage             12 no good signature      22 trust root or log too old
                            13 no certificate         23 not logged
                                                      24 fork or rollback
                                                      25 policy
Of an audited log:
  30 entries missing        32 back-dated policy      35 inconsistent otherwise
  31 changed statement      33 another log            36 may have missed something
                            34 wrong admission`;
