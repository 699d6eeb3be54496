import { Command, CommanderError } from 'commander';
import type { Run } from './command.ts';
import { EXIT } from './exit-code.ts';
import { CliFault } from './fault.ts';
import type { Io } from './io.ts';
import { Printer } from './printer.ts';
import { buildProgram } from './program.ts';
import { Session, type GlobalOptions } from './session.ts';

/** What `margo-trust log` was told that goes for every command below it. */
function ofLog(command: unknown): Pick<GlobalOptions, 'of'> {
  for (let at = command instanceof Command ? command.parent : null; at; at = at.parent) {
    if (at.name() === 'log') return at.opts<Pick<GlobalOptions, 'of'>>();
  }
  return {};
}

/** Runs one command line (without `node` and program name) and returns its exit code. Never throws. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  let exitCode: number = EXIT.ok;
  // A wrong command line is not parsed to its end; and what it asks to be printed as must be known even so.
  const wanted = { json: args.includes('--json'), quiet: args.includes('--quiet') };
  const printer = new Printer(io, wanted);
  const run: Run =
    (work) =>
    async (...given) => {
      const session = new Session(io, printer, { ...program.opts<GlobalOptions>(), ...ofLog(given.at(-1)) });
      exitCode = printer.outcome(await work(session, ...given));
    };
  const program = buildProgram(run);
  listenTo(program, io, wanted.json);

  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return usage(error, printer, wanted.json);
    if (io.env['MARGO_TRUST_DEBUG']) io.stderr(`${error instanceof Error ? error.stack : String(error)}\n`);
    return printer.failure(error);
  }
}

/** Commander prints by itself and wants to end the process; both are ours. */
function listenTo(command: Command, io: Io, json: boolean): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => io.stdout(text),
    writeErr: (text) => {
      if (!json) io.stderr(text);
    },
    outputError: (text, write) => write(text.replace(/^error: /, 'Error: ')),
  });
  for (const child of command.commands) listenTo(child, io, json);
}

/** Help was asked for, or the command line is wrong; commander has said so already, unless JSON is wanted. */
function usage({ exitCode, message }: CommanderError, printer: Printer, json: boolean): number {
  if (exitCode === 0) return EXIT.ok;
  if (!json) return EXIT.usage;
  const what = message === '(outputHelp)' ? 'A command is missing.' : message.replace(/^error: /, '');
  return printer.failure(new CliFault('cli/bad-usage', what, 'See margo-trust --help.'));
}
