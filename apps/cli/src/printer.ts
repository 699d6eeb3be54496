import { Fault } from '@margo-trust/fault';
import { ClientFault, RegistryFault } from '@margo-trust/client';
import { adviceFor } from '@margo-trust/verifier';
import { CliFault } from './fault.ts';
import { EXIT, exitCodeOf } from './exit-code.ts';
import type { Io } from './io.ts';
import { encodeEvent, encodeOutcome, type Outcome } from './outcome.ts';

export interface PrintOptions {
  readonly json: boolean;
  readonly quiet: boolean;
}

/** Results to standard output; progress and what goes wrong to standard error; as JSON, results and failures alike. */
export class Printer {
  private readonly io: Io;
  private readonly options: PrintOptions;
  private progressLength = 0;
  private lastBar = 0;

  constructor(io: Io, options: PrintOptions) {
    this.io = io;
    this.options = options;
  }

  /** Prints the outcome and returns the exit code. */
  outcome({ data, lines, exitCode = EXIT.ok }: Outcome): number {
    this.endProgress();
    if (this.options.json) this.io.stdout(encodeOutcome(exitCode === EXIT.ok, data));
    else if (!this.options.quiet) this.io.stdout(lines.map((line) => `${printable(line)}\n`).join(''));
    return exitCode;
  }

  /** Prints why the command could not do its work, and returns the exit code. */
  failure(error: unknown): number {
    this.endProgress();
    const { code, message, advice, exitCode, errors } = explain(error);
    if (this.options.json) {
      const details = { code, message, advice, exitCode, ...(errors.length > 0 && { errors }) };
      this.io.stdout(encodeOutcome(false, { error: details }));
      return exitCode;
    }
    const members = errors.map(({ field, message: reason }) => `  ${field}: ${reason}`);
    const lines = [`${this.red('Error:')} ${printable(message)}`, ...members.map(printable), printable(advice)];
    this.io.stderr(lines.map((line) => `${line}\n`).join(''));
    return exitCode;
  }

  /** Something a person should read while the command goes on. */
  note(text: string): void {
    this.endProgress();
    if (!this.options.quiet) this.io.stderr(`${printable(text)}\n`);
  }

  /** What is being done just now; only where somebody looks, and each over the one before. */
  progress(text: string): void {
    if (this.options.quiet || this.options.json || !this.io.isTerminal.stderr) return;
    const line = `${printable(text)}…`.slice(0, 100);
    this.io.stderr(`\r${line.padEnd(this.progressLength)}`);
    this.progressLength = line.length;
  }

  /** How far a long work has come, ten times a second at most; only where somebody looks. */
  bar(what: string, done: bigint, of: bigint): void {
    const now = this.io.now().getTime();
    if (now - this.lastBar < 100 && done < of) return;
    this.lastBar = now;
    const share = of === 0n ? 1 : Number((done * 1000n) / of) / 1000;
    const filled = Math.round(share * BAR_WIDTH);
    const drawn = '#'.repeat(filled) + '-'.repeat(BAR_WIDTH - filled);
    this.progress(`${what} [${drawn}] ${Math.floor(share * 100)} % of ${of}`);
  }

  /** Something that happened while the command goes on: a line, or with `--json` one JSON object a line. */
  event(data: Readonly<Record<string, unknown>>, line: string): void {
    this.endProgress();
    if (this.options.json) this.io.stdout(encodeEvent(data));
    else if (!this.options.quiet) this.io.stdout(`${printable(line)}\n`);
  }

  private endProgress(): void {
    if (this.progressLength > 0) this.io.stderr(`\r${' '.repeat(this.progressLength)}\r`);
    this.progressLength = 0;
  }

  private red(text: string): string {
    const isPlain = !this.io.isTerminal.stderr || (this.io.env['NO_COLOR'] ?? '') !== '';
    return isPlain ? text : `\x1b[31m${text}\x1b[0m`;
  }
}

/** Texts come from registries and packages; none may move the cursor or turn the line around. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
}

interface Explained {
  readonly code: string;
  readonly message: string;
  readonly advice: string;
  readonly exitCode: number;
  readonly errors: readonly { readonly field: string; readonly message: string }[];
}

function explain(error: unknown): Explained {
  if (error instanceof Fault) {
    const { code, message } = error;
    const errors = error instanceof RegistryFault ? error.errors : [];
    return { code, message, advice: adviceOf(error), exitCode: exitCodeOf(error), errors };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    code: 'cli/defect',
    message: `Something happened that should not: ${message}`,
    advice: 'Please report this, with the command that you ran. MARGO_TRUST_DEBUG=1 shows where it happened.',
    exitCode: EXIT.other,
    errors: [],
  };
}

function adviceOf(fault: Fault): string {
  if (fault instanceof CliFault) return fault.advice;
  const known = ADVICE[fault.code] ?? (fault.code.startsWith('audit/') ? AUDIT_ADVICE : undefined);
  if (known !== undefined) return known;
  if (fault instanceof RegistryFault) {
    return fault.retryAfterSeconds === undefined
      ? `The registry calls this ${fault.code}; its list of errors says more.`
      : `Try again in ${fault.retryAfterSeconds} seconds.`;
  }
  if (fault instanceof ClientFault) return 'See margo-trust --help for what the command expects.';
  return adviceFor(fault.code);
}

const BAR_WIDTH = 30;
const AUDIT_ADVICE =
  'Keep what you fetched, look at another place (a mirror, a witness), and tell the operator and other auditors.';

const ADVICE: Readonly<Record<string, string>> = {
  'audit/bad-evidence': 'Fetch it again; if it stays so, look at another place: a mirror, another network.',
  'audit/other-log': 'Check the address, and where the key is from: the trust root, or --log-key.',
  'audit/rollback': 'Do not go on: the log shows an older state than was seen. Ask its operator, and a witness.',
  'caller/unauthenticated': 'Sign in first: margo-trust login.',
  'caller/invalid-token': 'Sign in again: margo-trust login.',
  'caller/forbidden': 'Sign in as somebody who may: margo-trust login, and margo-trust whoami to see who you are.',
  'client/bad-answer': 'Check the address: margo-trust --registry https://….',
  'client/bad-key':
    'Use the key that margo-trust cert request made, with MARGO_TRUST_KEY_PASSPHRASE if it is encrypted.',
  'client/bad-status': 'Check the address, and ask the operator of the registry.',
  'client/bad-url': 'Write it like https://registry.example.',
  'client/insecure': 'Use https, or --plain-http if you really mean it.',
  'client/incomplete-chain': 'Use the chain file that margo-trust cert request wrote.',
  'client/key-mismatch': 'Give the key and the chain of the same certificate.',
  'client/no-initial-root': 'Begin with margo-trust root init, or give the initial root with --root FILE.',
  'client/no-release': 'Sign it with margo-trust sign --release, or ask its vendor to.',
  'client/not-a-package': 'Name an Application Package, or leave out --release to sign just this artifact.',
  'client/other-initial-root':
    'Do not go on unless you know why. To follow another registry, use another --trust-root.',
  'client/sign-in-refused': 'Run margo-trust login again.',
  'client/timeout': 'Try again; check the network.',
  'client/unreachable': 'Check that the registry runs, the address, and the network.',
  'oci/bad-reference': 'Write registry/repository:tag, or the path of a layout, optionally with :tag or @sha256:….',
  'oci/not-found': 'Check the reference. In a layout, artifacts are known by their tags or digests.',
  'oci/unauthorized': 'Log in to the registry with docker, podman or oras; their credentials are used.',
  'oci/unreachable': 'Check the network and the name of the registry.',
  'tlog/bad-verifier-key': 'Copy the key again, whole and in quotes: <origin>+<hash>+<key>.',
  'tuf/expired': 'Refresh the trust root: margo-trust root update.',
  'tuf/rollback': 'Do not go on: the source shows an older state than you have seen. Ask the operator of the registry.',
  'tuf/wrong-version': 'Do not go on: the source shows an unexpected state. Ask the operator of the registry.',
};
