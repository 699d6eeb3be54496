import { parseJson } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import type { CanonicalJson } from '../canonical-json.ts';
import type { JsonObject } from '../shape.ts';

/** A metadata file as a linter sees it: JSON whose shape nobody promises. */
export interface LintDocument {
  /** Path in the repository. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly envelope: JsonObject;
  readonly signed: JsonObject;
}

export function findDocument(path: string, bytes: Uint8Array): LintDocument | undefined {
  try {
    const envelope = asObject(parseJson(bytes, { maxBytes: 32 * 1024 * 1024 }) as CanonicalJson);
    return { path, bytes, envelope, signed: asObject(envelope['signed']) };
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

/** The value if it is an object, else an empty one. */
export function asObject(value: CanonicalJson | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

/** The value if it is an array, else an empty one. */
export function asArray(value: CanonicalJson | undefined): readonly CanonicalJson[] {
  return Array.isArray(value) ? (value as readonly CanonicalJson[]) : [];
}

/** Member names that are not among the expected. */
export function strangers(value: JsonObject, ...expected: readonly string[]): string[] {
  return Object.keys(value).filter((name) => !expected.includes(name));
}

/** The key tables of a file: of the root role, and of delegations. */
export function keyTables({ signed }: LintDocument): JsonObject[] {
  return [asObject(signed['keys']), asObject(asObject(signed['delegations'])['keys'])];
}

/** Every role a file names, with the table its keys are in. */
export function roleTables({ signed }: LintDocument): { name: string; role: JsonObject; keys: JsonObject }[] {
  const delegations = asObject(signed['delegations']);
  const topLevel = Object.entries(asObject(signed['roles'])).map(([name, role]) => ({
    name,
    role: asObject(role),
    keys: asObject(signed['keys']),
  }));
  const delegated = asArray(delegations['roles']).map((item) => {
    const role = asObject(item);
    return { name: String(role['name']), role, keys: asObject(delegations['keys']) };
  });
  return [...topLevel, ...delegated];
}
