/** Which log a request is for, and its URL there: as if that log were the first one. */
export interface LogRoute {
  /** Undefined for the service and its first log. */
  readonly name?: string;
  readonly url: string;
}

/**
 * The ways to a log, and the names that clients know its files by:
 *
 * - `/log/…` are the files of the first log; they are below `/api/v2` too (Rekor v2), and at the root of the host whose name is
 *   its origin, `log.<domain>` (C2SP tlog-tiles; an origin has no port).
 * - `/logs/<name>/…` has the files of another log, and below it what the service has at its root for logs: `entries`,
 *   `.well-known/scitt-keys`, `api/v2`. At the root of `<name>.log.<domain>` it is the same.
 * - `/api/v1/logs/<name>/…` is its `/api/v1/log/…`.
 *
 * `url` and `host` come from the caller. What belongs to no log stays as it is.
 */
export function routeToLog(url: string, host: string | undefined, domain: string): LogRoute {
  const [, name, rest] = /^\/logs\/([a-z0-9-]{1,31})(\/.*)$/.exec(url) ?? [];
  if (name !== undefined && rest !== undefined) {
    return { name, url: aliasOf(rest) ?? (isServicePath(rest) ? rest : `/log${rest}`) };
  }
  const [, apiName, apiRest] = /^\/api\/v1\/logs\/([a-z0-9-]{1,31})((?:[/?].*)?)$/.exec(url) ?? [];
  if (apiName !== undefined && !RESERVED_NAMES.includes(apiName)) {
    return { name: apiName, url: `/api/v1/log${apiRest ?? ''}` };
  }
  const label = labelOf(host, domain);
  if (label === undefined) return { url: aliasOf(url) ?? url };
  if (label === '') return { url: aliasOf(url) ?? filePath(url) ?? url };
  if (isServicePath(url)) return { name: label, url: aliasOf(url) ?? url };
  const file = filePath(url) ?? (/^\/(?:log|api\/v1\/log)(?:[/?]|$)/.test(url) ? url : undefined);
  return file === undefined ? { url } : { name: label, url: file };
}

/** Parts of `/api/v1/logs/` that are not names of logs. */
export const RESERVED_NAMES: readonly string[] = ['preview', 'proposals'];

function isServicePath(path: string): boolean {
  return /^\/(?:entries|\.well-known\/scitt-keys|api\/v2)(?:[/?]|$)/.test(path);
}

/** Rekor's names of the files. */
function aliasOf(url: string): string | undefined {
  const path = /^\/api\/v2(\/.*)$/.exec(url)?.[1];
  return path === undefined ? undefined : filePath(path);
}

/** Files that a log has at the root of its own host. */
function filePath(path: string): string | undefined {
  return /^\/(?:checkpoint(?:\.cose)?|tile\/[^?]*)(?:\?|$)/.test(path) ? `/log${path}` : undefined;
}

/** The first label of `<name>.log.<domain>`, the empty one for `log.<domain>`, undefined for other hosts. */
function labelOf(host: string | undefined, domain: string): string | undefined {
  const name = host?.replace(/:\d+$/, '').toLowerCase();
  if (name === `log.${domain}`) return '';
  const end = `.log.${domain}`;
  const label = name?.endsWith(end) === true ? name.slice(0, -end.length) : undefined;
  return label !== undefined && /^[a-z0-9-]{1,31}$/.test(label) ? label : undefined;
}
