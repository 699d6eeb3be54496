import { parseBase64 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { SigstoreFault } from './fault.ts';

/**
 * Reads messages in the JSON form of Protocol Buffers: each field under its lowerCamelCase or its original name, bytes as
 * base64 of either alphabet, padded or not. Members that nobody asks for are passed over, as the format wants it of servers.
 */
export class ProtoJson {
  private readonly value: unknown;
  private readonly path: string;

  constructor(value: unknown, path: string) {
    this.value = value;
    this.path = path;
  }

  /** The field of this lowerCamelCase name; absent when it is missing or null. */
  find(name: string): ProtoJson | undefined {
    const { value } = this;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.refuse('must be an object');
    const spellings = [...new Set([name, snakeCase(name)])].filter((spelling) => Object.hasOwn(value, spelling));
    if (spellings.length > 1) throw this.refuse(`has "${name}" in two spellings`);
    const [spelling] = spellings;
    const found: unknown = spelling === undefined ? undefined : (value as Record<string, unknown>)[spelling];
    return found === undefined || found === null ? undefined : new ProtoJson(found, `${this.path}.${name}`);
  }

  get(name: string): ProtoJson {
    const found = this.find(name);
    if (!found) throw this.refuse(`has no "${name}"`);
    return found;
  }

  /** The only item of a list. */
  only(): ProtoJson {
    if (!Array.isArray(this.value) || this.value.length !== 1) throw this.refuse('must be a list of one');
    return new ProtoJson(this.value[0], `${this.path}[0]`);
  }

  text(maxLength: number): string {
    if (typeof this.value !== 'string' || this.value.length > maxLength) {
      throw this.refuse(`must be a text of at most ${maxLength} characters`);
    }
    return this.value;
  }

  bytes(maxBytes: number): Uint8Array {
    const text = this.text(Math.ceil(maxBytes / 3) * 4).replace(/=+$/, '');
    const standard = text.replaceAll('-', '+').replaceAll('_', '/');
    try {
      return parseBase64(standard + '='.repeat((4 - (standard.length % 4)) % 4));
    } catch (cause) {
      if (cause instanceof Fault) throw this.refuse('must be base64', { cause });
      throw cause;
    }
  }

  flag(): boolean {
    if (typeof this.value !== 'boolean') throw this.refuse('must be true or false');
    return this.value;
  }

  /** A whole number as JSON can hold it exactly. */
  unsigned(): bigint {
    if (!Number.isSafeInteger(this.value) || (this.value as number) < 0) {
      throw this.refuse('must be a whole number from 0 to 2^53 - 1');
    }
    return BigInt(this.value as number);
  }

  refuse(complaint: string, options?: ErrorOptions): SigstoreFault {
    return new SigstoreFault('sigstore/bad-request', `${this.path} ${complaint}.`, options);
  }
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
