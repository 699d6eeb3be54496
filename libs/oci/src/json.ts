import { parseJson } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { OciFault, type OciFaultCode } from './fault.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** The object of a JSON text; whatever is wrong with it becomes a fault of the given code. */
export function parseJsonObject(bytes: Uint8Array, maxBytes: number, code: OciFaultCode, what: string): JsonObject {
  let value: unknown;
  try {
    value = parseJson(bytes, { maxBytes, maxDepth: 32 });
  } catch (cause) {
    if (cause instanceof Fault) throw new OciFault(code, `${what} is not usable JSON: ${cause.message}`, { cause });
    throw cause;
  }
  if (!isObject(value)) throw new OciFault(code, `${what} is not a JSON object.`);
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function encodeJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
