import { parseBase64, parseJson } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import type { Claims } from '@margo-trust/statement';
import { AuditorFault } from './fault.ts';

/** The payload of a statement of the registry (docs/formats.md, "Records"), read member by member. */
export class RecordPayload {
  private readonly members: Readonly<Record<string, unknown>>;
  private readonly index: bigint;

  constructor(payload: Uint8Array, index: bigint) {
    this.index = index;
    const value = this.attempt('is no JSON', () => parseJson(payload, { maxBytes: 2 << 20, maxDepth: 16 }));
    if (!isObject(value)) throw this.refuse('is no object');
    this.members = value;
  }

  /** What happened. */
  get name(): string {
    return this.text('record');
  }

  text(member: string): string {
    const value = this.members[member];
    if (typeof value !== 'string') throw this.refuse(`has no text "${member}"`);
    return value;
  }

  optionalText(member: string): string | undefined {
    return this.members[member] === undefined ? undefined : this.text(member);
  }

  count(member: string): number {
    const value = this.members[member];
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw this.refuse(`has no number "${member}"`);
    return value;
  }

  optionalCount(member: string, otherwise: number): number {
    return this.members[member] === undefined ? otherwise : this.count(member);
  }

  /** `fingerprint` of each of the `certificates`. */
  fingerprints(): string[] {
    const value = this.members['certificates'];
    if (!Array.isArray(value)) throw this.refuse('has no list "certificates"');
    return value.map((item: unknown) => {
      const fingerprint = isObject(item) ? item['fingerprint'] : undefined;
      if (typeof fingerprint !== 'string') throw this.refuse('has no text "fingerprint" in "certificates"');
      return fingerprint;
    });
  }

  bytes(member: string): Uint8Array {
    return this.attempt(`has no base64 "${member}"`, () => parseBase64(this.text(member)));
  }

  time(member: string): Date {
    const time = new Date(this.text(member));
    if (Number.isNaN(time.getTime())) throw this.refuse(`has no time "${member}"`);
    return time;
  }

  claims(): Claims {
    const value = this.members['claims'];
    const list = (name: string) => {
      const found = isObject(value) ? value[name] : undefined;
      if (!Array.isArray(found) || !found.every((item) => typeof item === 'string')) {
        throw this.refuse(`has no claims "${name}"`);
      }
      return found;
    };
    return { applicationIdPrefixes: list('applicationIdPrefixes'), ociNamespaces: list('ociNamespaces') };
  }

  /** The members of `subject`, as text to compare. */
  subject(): string {
    return JSON.stringify(this.members['subject'] ?? null);
  }

  private attempt<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof AuditorFault || !(error instanceof Fault)) throw error;
      throw this.refuse(what);
    }
  }

  private refuse(what: string): AuditorFault {
    const { index } = this;
    return new AuditorFault('audit/wrong-admission', `The record at entry ${index} ${what}.`, { index });
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
