/**
 * The log's files under the other names that clients know them by: below `/api/v2` (Rekor v2), and at the root of the host whose
 * name is the log's origin (C2SP tlog-tiles; `origin` has no port). Returns `url` with the path under `/log`, or as it was.
 */
export function toLogPath(url: string, host: string | undefined, origin: string): string {
  const path = /^\/api\/v2(\/.*)$/.exec(url)?.[1] ?? (isHost(host, origin) ? url : '');
  return /^\/(?:checkpoint(?:\.cose)?|tile\/[^?]*)(?:\?|$)/.test(path) ? `/log${path}` : url;
}

function isHost(host: string | undefined, origin: string): boolean {
  return host?.replace(/:\d+$/, '').toLowerCase() === origin;
}
