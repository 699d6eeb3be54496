/** The log that an application serves: one row of the table of logs, as far as it never changes. */
export class ServedLog {
  constructor(
    readonly id: number,
    /** Below `/logs/`, and the first label of `origin`; the first log has none. */
    readonly name: string | undefined,
    readonly origin: string,
  ) {}

  /** The log that a registry begins with. */
  static first(domain: string): ServedLog {
    return new ServedLog(FIRST_LOG, undefined, `log.${domain}`);
  }

  /** Another one, for statements. */
  static named(id: number, name: string, domain: string): ServedLog {
    return new ServedLog(id, name, originOf(name, domain));
  }

  /** Whether it is the registry's own: what grants and removes trust is on record there, and nowhere else. */
  get isFirst(): boolean {
    return this.id === FIRST_LOG;
  }

  /** Where its public files are: `/log/` or `/logs/<name>/`. */
  get path(): string {
    return this.name === undefined ? '/log/' : `/logs/${this.name}/`;
  }

  /** Where its part of the API is. */
  get apiPath(): string {
    return this.name === undefined ? '/api/v1/log' : `/api/v1/logs/${this.name}`;
  }
}

/** Origin of the log of this name: a bare host name, since Sigstore clients refuse one with a path. */
export function originOf(name: string, domain: string): string {
  return `${name}.log.${domain}`;
}

export const FIRST_LOG = 1;
