import { parseBase64, parseJson } from '@margo-trust/bytes';
import { parsePublicKey } from '@margo-trust/crypto';
import type { PublicKey } from '@margo-trust/crypto';

/** Reads JSON by shape; `fail` says what to throw, so that each document has its own code. */
export class JsonReader {
  readonly value: unknown;
  private readonly path: string;
  private readonly fail: (message: string) => Error;

  constructor(value: unknown, path: string, fail: (message: string) => Error) {
    this.value = value;
    this.path = path;
    this.fail = fail;
  }

  static parse(
    bytes: Uint8Array,
    name: string,
    limits: { maxBytes: number },
    fail: (message: string) => Error,
  ): JsonReader {
    return new JsonReader(parseJson(bytes, { ...limits, maxDepth: 16 }), name, fail);
  }

  get(name: string): JsonReader {
    if (!this.isObject()) throw this.refuse('must be an object');
    return new JsonReader(
      Object.hasOwn(this.value, name) ? this.value[name] : undefined,
      `${this.path}.${name}`,
      this.fail,
    );
  }

  get isAbsent(): boolean {
    return this.value === undefined;
  }

  list(max: number): JsonReader[] {
    if (!Array.isArray(this.value) || this.value.length > max) throw this.refuse(`must be a list of at most ${max}`);
    return this.value.map((item: unknown, i) => new JsonReader(item, `${this.path}[${i}]`, this.fail));
  }

  entries(max: number): [string, JsonReader][] {
    if (!this.isObject()) throw this.refuse('must be an object');
    const pairs = Object.entries(this.value);
    if (pairs.length > max) throw this.refuse(`must have at most ${max} members`);
    return pairs.map(([name, value]) => [name, new JsonReader(value, `${this.path}.${name}`, this.fail)]);
  }

  text(max = 2048): string {
    if (typeof this.value !== 'string' || this.value.length === 0 || this.value.length > max) {
      throw this.refuse(`must be a text of 1 to ${max} characters`);
    }
    return this.value;
  }

  oneOf<const T extends string>(...values: readonly T[]): T {
    const found = values.find((value) => value === this.value);
    if (found === undefined) throw this.refuse(`must be one of ${values.join(', ')}`);
    return found;
  }

  texts(maxItems: number, max = 1024): string[] {
    return this.list(maxItems).map((item) => item.text(max));
  }

  count(): number {
    if (typeof this.value !== 'number' || !Number.isSafeInteger(this.value) || this.value < 0) {
      throw this.refuse('must be a whole number');
    }
    return this.value;
  }

  /** `YYYY-MM-DDTHH:MM:SSZ`. */
  time(): Date {
    const text = this.text(20);
    const time = new Date(text);
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) || Number.isNaN(time.getTime())) {
      throw this.refuse('must be a UTC time in whole seconds');
    }
    return time;
  }

  bytes(max = 16 << 20): Uint8Array {
    return parseBase64(this.text(Math.ceil(max / 3) * 4));
  }

  publicKey(): PublicKey {
    return parsePublicKey(this.bytes(4096));
  }

  optional<T>(read: (reader: JsonReader) => T): T | undefined {
    return this.isAbsent ? undefined : read(this);
  }

  refuse(message: string): Error {
    return this.fail(`${this.path} ${message}.`);
  }

  private isObject(): this is { readonly value: Record<string, unknown> } {
    return typeof this.value === 'object' && this.value !== null && !Array.isArray(this.value);
  }
}
