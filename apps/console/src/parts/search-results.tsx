import type { LogEntryPage } from '@margo-trust/wire';
import { loadCertificate, loadEntries, loadVendors, type EntryFilter } from '../api.ts';
import { reasonWords } from '../decode.ts';
import { useLoaded } from '../hooks.ts';
import { isNarrowed, type Bounds, type Query } from '../search.ts';
import { dateWords, dayWords, shortened } from '../words.ts';
import { EntryFeed } from './entry-feed.tsx';
import { Facts } from './facts.tsx';
import { Failed, Waiting } from './notice.tsx';

interface Search {
  query: Query;
  bounds: Bounds;
  /** Everything, and what is left of it without the bounds. */
  typed: string;
  words: string;
  now: Date;
}

export function SearchResults({ query, bounds, typed, words, now }: Search) {
  return (
    <section aria-labelledby="results">
      <h2 id="results">{headingOf(query)}</h2>
      {isNarrowed(bounds) && <p class="hint">{boundsWords(bounds)}</p>}
      {query.kind === 'serial' ? (
        <CertificateResult serial={query.serial} />
      ) : (
        <>
          {(query.kind === 'text' || query.kind === 'applicationId') && <VendorResults words={words} />}
          <EntryFeed
            feedKey={`${query.kind} ${typed}`}
            load={(before) => find(query, { ...bounds, ...before })}
            now={now}
            empty={<NothingFound query={query} />}
          />
        </>
      )}
    </section>
  );
}

/** 64 hex digits may also be a certificate’s fingerprint: asked only when no artifact has this digest. */
async function find(query: Query, more: EntryFilter): Promise<LogEntryPage> {
  // The log’s names are ASCII, and it refuses to search for others.
  if (query.kind === 'text' && /[^ -~]/.test(query.text)) return { items: [] };
  const page = await loadEntries({ ...filterOf(query), ...more, limit: 20 });
  if (page.items.length > 0 || query.kind !== 'digest') return page;
  return loadEntries({ certificate: query.digest.slice('sha256:'.length), ...more, limit: 20 });
}

function filterOf(query: Query): EntryFilter {
  switch (query.kind) {
    case 'digest':
      return { digest: query.digest };
    case 'reference':
      return { reference: query.reference };
    case 'applicationId':
      return { applicationId: query.applicationId };
    case 'vendor':
      return { vendor: query.id };
    case 'text':
      return { q: query.text };
    default:
      return {};
  }
}

function headingOf(query: Query): string {
  switch (query.kind) {
    case 'digest':
      return `Entries about ${shortened(query.digest, 15, 6)}`;
    case 'reference':
      return `Entries about ${query.reference}`;
    case 'applicationId':
      return `Entries about the application ${query.applicationId}`;
    case 'vendor':
      return 'Entries of this vendor';
    case 'serial':
      return `Certificate with serial number ${shortened(query.serial, 8, 6)}`;
    default:
      return 'Results';
  }
}

function boundsWords({ version, since, until }: Bounds): string {
  const lastDay = until === undefined ? undefined : new Date(Date.parse(until) - 1);
  const parts = [
    version === undefined ? '' : `of version ${version}`,
    since === undefined ? '' : `registered from ${dayWords(new Date(since))} on`,
    lastDay === undefined ? '' : `registered until ${dayWords(lastDay)}`,
  ];
  return `Only entries ${parts.filter(Boolean).join(', ')}.`;
}

function NothingFound({ query }: { query: Query }) {
  if (query.kind === 'digest' || query.kind === 'reference') {
    return (
      <p class="empty">
        No entry speaks of this artifact. As far as this registry knows, nobody has signed it: treat it as unsigned.
        References are searched as they were signed; the digest is the surer search.
      </p>
    );
  }
  return (
    <p class="empty">No entry matches. Application ids and references are searched as a whole, not by their parts.</p>
  );
}

/** Vendors whose name holds the words. */
function VendorResults({ words }: { words: string }) {
  const vendors = useLoaded('vendors', loadVendors);
  if (vendors.state !== 'ready') return null;
  const wanted = words.trim().toLowerCase();
  const found = vendors.value.items.filter(({ legalName }) => legalName.toLowerCase().includes(wanted));
  if (found.length === 0) return null;
  return (
    <ul class="entries">
      {found.map(({ id, legalName, status }) => (
        <li key={id}>
          <span class="kind vendor">Vendor</span>
          <a href={`/vendor/${id}`}>{legalName}</a>
          <span class="entry-meta">{status}</span>
        </li>
      ))}
    </ul>
  );
}

function CertificateResult({ serial }: { serial: string }) {
  const found = useLoaded(`certificate ${serial}`, () => loadCertificate(serial));
  if (found.state === 'loading') return <Waiting what="certificate" />;
  if (found.state === 'failed') {
    return found.status === 404 ? (
      <p>This registry has issued no certificate with this serial number.</p>
    ) : (
      <Failed title="The certificate could not be loaded" message={found.message} />
    );
  }
  const { value: certificate } = found;
  return (
    <div class="card">
      <Facts
        items={[
          { label: 'Vendor', value: <a href={`/vendor/${certificate.vendorId}`}>{certificate.subject}</a> },
          { label: 'Status', value: statusOf(certificate) },
          {
            label: 'Valid',
            value: `${dayWords(new Date(certificate.notBefore))} to ${dayWords(new Date(certificate.notAfter))}`,
          },
          { label: 'Record of issuance', value: <a href={`/entry/${certificate.entryId}`}>Log entry</a> },
          { label: 'Fingerprint', value: certificate.fingerprint, isOpaque: true },
        ]}
      />
    </div>
  );
}

/** `valid`, `expired`, or when and why it was revoked: by the registry's word. */
export function statusOf({
  status,
  revokedAt,
  revocationReason,
}: {
  status: string;
  revokedAt?: string;
  revocationReason?: string;
}): string {
  if (status !== 'revoked' || revokedAt === undefined) return status;
  return `revoked on ${dateWords(new Date(revokedAt))}, ${reasonWords(revocationReason ?? 'unspecified')}`;
}
