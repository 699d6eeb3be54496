import type {
  Certificate,
  CertificatePage,
  LogEntryDetail,
  LogEntryPage,
  LogSummary,
  OpenpgpKeyList,
  Vendor,
  VendorPage,
} from '@margo-trust/wire';

/** An answer that is not the wanted one, in words for the reader. `status` 0: there was no answer at all. */
export class ApiProblem extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiProblem';
    this.status = status;
  }
}

export interface EntryFilter {
  q?: string;
  vendor?: string;
  applicationId?: string;
  version?: string;
  /** Times of registration, RFC 3339; `until` itself is outside. */
  since?: string;
  until?: string;
  digest?: string;
  reference?: string;
  /** SHA-256 of a certificate, hex. */
  certificate?: string;
  /** Name in `CONTENT`. */
  type?: string;
  /** Cursor: `next` of the page before, or an index to stay below. */
  before?: string;
  limit?: number;
}

/** One page of entries, newest first. */
export async function loadEntries(filter: EntryFilter): Promise<LogEntryPage> {
  return loadJson(`/api/v1/log/entries${queryString({ ...filter })}`);
}

/** `id` is an index or an EntryID. */
export async function loadEntry(id: string): Promise<LogEntryDetail> {
  return loadJson(`/api/v1/log/entries/${encodeURIComponent(id)}`);
}

export async function loadLog(): Promise<LogSummary> {
  return loadJson('/api/v1/log');
}

export async function loadVendors(): Promise<VendorPage> {
  return loadJson('/api/v1/vendors?limit=100');
}

export async function loadVendor(id: string): Promise<Vendor> {
  return loadJson(`/api/v1/vendors/${encodeURIComponent(id)}`);
}

export async function loadVendorCertificates(id: string): Promise<CertificatePage> {
  return loadJson(`/api/v1/vendors/${encodeURIComponent(id)}/certificates`);
}

export async function loadOpenpgpKeys(id: string): Promise<OpenpgpKeyList> {
  return loadJson(`/api/v1/vendors/${encodeURIComponent(id)}/openpgp-keys`);
}

export async function loadCertificate(serial: string): Promise<Certificate> {
  return loadJson(`/api/v1/certificates/${encodeURIComponent(serial)}`);
}

/** A body as bytes: checkpoint, tiles, TUF files. Throws {@link ApiProblem} unless the answer is 200. */
export async function loadBytes(path: string): Promise<Uint8Array> {
  const response = await request(path, '*/*');
  return new Uint8Array(await response.arrayBuffer());
}

async function loadJson<T>(path: string): Promise<T> {
  const response = await request(path, 'application/json');
  try {
    return (await response.json()) as T;
  } catch {
    throw new ApiProblem(response.status, 'The registry’s answer was not readable.');
  }
}

async function request(path: string, accept: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, {
      headers: { accept },
      signal: AbortSignal.timeout(PATIENCE_MS),
      credentials: 'omit',
    });
  } catch {
    throw new ApiProblem(0, 'The registry did not answer. It may be restarting, or this device is offline.');
  }
  if (response.ok) return response;
  throw new ApiProblem(response.status, await problemWords(response));
}

/** `detail` of a problem document (RFC 9457), which is written for the caller. */
async function problemWords(response: Response): Promise<string> {
  if (response.headers.get('content-type')?.startsWith('application/problem+json')) {
    try {
      const { detail, title } = (await response.json()) as { detail?: unknown; title?: unknown };
      if (typeof detail === 'string') return detail;
      if (typeof title === 'string') return title;
    } catch {
      // falls through to the general words
    }
  }
  return response.status === 404 ? 'There is nothing under this address.' : `The registry answered ${response.status}.`;
}

function queryString(members: Record<string, string | number | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(members)) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

const PATIENCE_MS = 15_000;
