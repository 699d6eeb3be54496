/** The log that an application serves: one row of the table of logs, as far as it never changes. */
export class ServedLog {
  constructor(
    readonly id: number,
    /** Below `/logs/`; the first log has none. */
    readonly name: string | undefined,
    readonly origin: string,
  ) {}

  /** The log that a registry begins with. */
  static first(domain: string): ServedLog {
    return new ServedLog(FIRST_LOG, undefined, `log.${domain}`);
  }

  /** Where its public files are: `/log/` or `/logs/<name>/`. */
  get path(): string {
    return this.name === undefined ? '/log/' : `/logs/${this.name}/`;
  }
}

export const FIRST_LOG = 1;
