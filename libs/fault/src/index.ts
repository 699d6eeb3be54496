/**
 * An expected failure: something a caller can cause, name and act on.
 *
 * `message` is written for that caller and reaches them as `detail` in a problem document, so it must not
 * name tables, hosts or key identifiers. Whatever only an operator may see goes in `cause`.
 * A broken promise of our own code is not a Fault: throw a plain Error and let it become a 500.
 */
export abstract class Fault<Code extends string = string> extends Error {
  readonly code: Code;

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}
