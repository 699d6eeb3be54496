/** Whether a path belongs to SCRAPI, where errors are CBOR (draft-ietf-scitt-scrapi-11). Unrouted paths below count too. */
export function isScrapiPath(path: string): boolean {
  return /^\/(?:entries|\.well-known\/scitt-keys)(?:\/|$)/.test(path);
}
