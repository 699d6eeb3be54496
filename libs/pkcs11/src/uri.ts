import { Pkcs11Fault } from './fault.ts';

/** Where a key is: the attributes of RFC 7512 §2.3 and §2.4 that we use. */
export interface Pkcs11Uri {
  /** Path of the module, a shared library: `module-path`. */
  readonly modulePath: string;
  /** Which token, by label and serial number; at least one of them. */
  readonly token?: string;
  readonly serial?: string;
  /** Which key, by label and id; at least one of them. */
  readonly object?: string;
  readonly id?: Uint8Array;
  /** Path of a file that holds the PIN: `pin-source`. */
  readonly pinFile?: string;
}

/**
 * Reads a `pkcs11:` URI (RFC 7512), such as `pkcs11:token=margo;object=issuing-1?module-path=/usr/lib/…/lib.so`.
 *
 * Attributes that would narrow the search in ways we do not know are refused, not passed over: another key than the one meant is
 * worse than none. A PIN in the URI is refused, since URIs end up in logs and lists of processes; a PIN by a program likewise.
 */
export function parsePkcs11Uri(uri: string): Pkcs11Uri {
  const [, path, query = ''] = /^pkcs11:([^?\s]*)(?:\?(\S*))?$/.exec(uri.trim()) ?? [];
  if (path === undefined) throw bad('It must begin with "pkcs11:" and hold no spaces.');
  const what = readAttributes(path, ';', ['token', 'serial', 'object', 'id', 'type']);
  const how = readAttributes(query, '&', ['module-path', 'pin-source']);

  const text = (attributes: Map<string, Buffer>, name: string) => attributes.get(name)?.toString();
  const [token, serial, object, id] = [text(what, 'token'), text(what, 'serial'), text(what, 'object'), what.get('id')];
  const modulePath = text(how, 'module-path');
  if (!modulePath?.startsWith('/')) throw bad('"module-path" must be the absolute path of the module.');
  if (!['private', undefined].includes(text(what, 'type'))) throw bad('The type can only be "private".');
  if (token === undefined && serial === undefined) throw bad('Name the token by "token" or "serial".');
  if (object === undefined && id === undefined) throw bad('Name the key by "object" or "id".');
  const source = text(how, 'pin-source');
  return {
    modulePath,
    ...(token !== undefined && { token }),
    ...(serial !== undefined && { serial }),
    ...(object !== undefined && { object }),
    ...(id && { id: Uint8Array.from(id) }),
    ...(source !== undefined && { pinFile: readPinSource(source) }),
  };
}

/** The URI without what only its reader needs, for messages: no path of a PIN. */
export function describeKey({ token, serial, object, id }: Pkcs11Uri): string {
  const key = object ?? Buffer.from(id ?? []).toString('hex');
  return `${key} on token ${token ?? serial}`;
}

function readAttributes(text: string, separator: string, known: readonly string[]): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const part of text.split(separator).filter((one) => one !== '')) {
    const equals = part.indexOf('=');
    const name = part.slice(0, equals);
    if (name === 'pin-value') throw bad('A PIN has no place in a URI: use "pin-source" with a file.');
    if (equals < 1 || !known.includes(name)) throw bad(`The attribute "${name || part}" is not one we know.`);
    if (found.has(name)) throw bad(`The attribute "${name}" is there twice.`);
    found.set(name, decodePercent(part.slice(equals + 1)));
  }
  return found;
}

function decodePercent(value: string): Buffer {
  if (!/^(?:[^%]|%[0-9a-fA-F]{2})*$/.test(value)) throw bad('A percent sign must be followed by two hex digits.');
  const bytes = value.match(/%[0-9a-fA-F]{2}|[^%]+/g) ?? [];
  return Buffer.concat(
    bytes.map((part) => (part.startsWith('%') ? Buffer.from(part.slice(1), 'hex') : Buffer.from(part))),
  );
}

function readPinSource(source: string): string {
  const path = source.replace(/^file:(?:\/\/(?=\/))?/, '');
  if (!path.startsWith('/')) throw bad('"pin-source" must be the absolute path of a file.');
  return path;
}

function bad(message: string): Pkcs11Fault {
  return new Pkcs11Fault('pkcs11/bad-uri', `The PKCS#11 URI cannot be used. ${message}`);
}
