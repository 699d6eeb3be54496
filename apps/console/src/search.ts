import { parseBase64Url } from '@margo-trust/bytes';

/** What somebody typed, by its shape alone. */
export type Query =
  | { kind: 'empty' }
  | { kind: 'index'; index: number }
  | { kind: 'entryId'; entryId: string }
  | { kind: 'vendor'; id: string }
  | { kind: 'digest'; digest: string }
  | { kind: 'serial'; serial: string }
  | { kind: 'reference'; reference: string }
  | { kind: 'applicationId'; applicationId: string }
  | { kind: 'text'; text: string };

/**
 * Tells what a search means. The shapes hardly overlap: 64 hex digits are a digest, 32 a certificate's serial number,
 * 43 characters of base64url an EntryID, 26 of Crockford's base32 a vendor, and a slash makes an OCI reference. A reference
 * that names a digest is searched by that digest: the digest is what was signed.
 */
export function parseQuery(typed: string): Query {
  const text = typed.trim();
  if (text === '') return { kind: 'empty' };

  const index = /^#?(\d{1,3}(?:[, ]\d{3})+|\d{1,15})$/.exec(text)?.[1];
  if (index !== undefined) return { kind: 'index', index: Number(index.replace(/\D/g, '')) };

  const digest = /(?:^|@|sha256:)([0-9a-f]{64})$/i.exec(text)?.[1];
  if (digest !== undefined) return { kind: 'digest', digest: `sha256:${digest.toLowerCase()}` };

  const vendor = VENDOR_ID.exec(text)?.[0] ?? VENDOR_URI.exec(text)?.[1] ?? /^vendor:(.+)$/.exec(text)?.[1];
  if (vendor !== undefined && VENDOR_ID.test(vendor)) return { kind: 'vendor', id: vendor.toLowerCase() };

  if (isEntryId(text)) return { kind: 'entryId', entryId: text };

  const serial = text.replace(/[:\s]/g, '').toLowerCase();
  if (/^[0-9a-f]{32}$/.test(serial)) return { kind: 'serial', serial };

  if (REFERENCE.test(text)) return { kind: 'reference', reference: text };
  if (/^[a-z0-9]+([-.][a-z0-9]+)+$/.test(text)) return { kind: 'applicationId', applicationId: text };
  return { kind: 'text', text };
}

/** What narrows a search down: a version; times of registration, `until` itself outside. Times as RFC 3339 writes them. */
export interface Bounds {
  version?: string;
  since?: string;
  until?: string;
}

/**
 * What somebody typed, with `version:1.2.0`, `since:2026-11-01` and `until:2026-11-30` taken out of it. Days are UTC, and the
 * last one is included. A term that does not make sense stays among the words.
 */
export function parseSearch(typed: string): { query: Query; bounds: Bounds; words: string } {
  const bounds: Bounds = {};
  const words = typed.replace(TERM, (term: string, space: string, name: keyof Bounds, value: string) => {
    const bound = name === 'version' ? value : dayStart(value, name === 'until' ? 1 : 0);
    if (bound === undefined || bounds[name] !== undefined) return term;
    bounds[name] = bound;
    return space;
  });
  return { query: parseQuery(words), bounds, words: words.trim() };
}

export function isNarrowed(bounds: Bounds): boolean {
  return Object.keys(bounds).length > 0;
}

function dayStart(day: string, later: number): string | undefined {
  const time = /^\d{4}-\d\d-\d\d$/.test(day) ? new Date(`${day}T00:00:00Z`) : new Date(NaN);
  // Date takes the 31st of a shorter month for the 1st of the next.
  if (Number.isNaN(time.getTime()) || time.toISOString().slice(0, 10) !== day) return undefined;
  return new Date(time.getTime() + later * 86_400_000).toISOString().replace('.000', '');
}

/** 43 characters of base64url without padding that decode to 32 bytes (draft-ietf-scitt-scrapi). */
export function isEntryId(text: string): boolean {
  if (!/^[\w-]{43}$/.test(text)) return false;
  try {
    return parseBase64Url(text).length === 32;
  } catch {
    return false;
  }
}

/** Where a search is answered when it names one thing, else `undefined`: it needs a list. */
export function directAddress(query: Query, bounds: Bounds = {}): string | undefined {
  switch (query.kind) {
    case 'index':
      return `/entry/${query.index}`;
    case 'entryId':
      return `/entry/${query.entryId}`;
    case 'vendor':
      return isNarrowed(bounds) ? undefined : `/vendor/${query.id}`;
    default:
      return undefined;
  }
}

const TERM = /(^|\s)(version|since|until):(\S{1,128})(?=\s|$)/g;
const VENDOR_ID = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/i;
const VENDOR_URI = /^https:\/\/([0-9a-z]{26})\.vendors\.[^/\s]+\/?$/i;
/** host[:port]/path[:tag], or path[:tag] with at least one slash (OCI distribution-spec §"Pulling manifests"). */
const REFERENCE = /^(?:oci:\/\/)?[\w.-]+(?::\d+)?(?:\/[\w.-]+)+(?::[\w][\w.-]{0,127})?$/;
