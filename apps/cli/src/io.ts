/** The world outside, as far as a command may touch it. Tests bring their own. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  now(): Date;
  /** Results. */
  stdout(text: string): void;
  /** Everything else. */
  stderr(text: string): void;
  /** Whether somebody looks at the results, and at the rest. */
  readonly isTerminal: { readonly stdout: boolean; readonly stderr: boolean };
  /** The user's home; undefined where there is none. */
  home(): string | undefined;
  /** Resolves when the process is asked to end; until then a command that waits may go on. */
  stopped(): Promise<void>;
}
