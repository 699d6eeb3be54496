/** A text of 1 to `max` characters without control characters, which neither a page nor a database should meet. */
export function isPlainText(value: unknown, max: number): value is string {
  // eslint-disable-next-line no-control-regex -- control characters are what it looks for
  return typeof value === 'string' && value.length > 0 && value.length <= max && !/[\u0000-\u001f\u007f]/.test(value);
}

/** An OCI reference, with or without the scheme `oci://`, `host[:port]/path[:tag]`; syntax is checked where it is resolved. */
export function isReference(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,1024}$/.test(value);
}
