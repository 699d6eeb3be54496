import { useEffect } from 'preact/hooks';
import { loadEntries } from '../api.ts';
import { useNow } from '../hooks.ts';
import { EntryFeed } from '../parts/entry-feed.tsx';
import { Heading } from '../parts/heading.tsx';
import { LogStrip } from '../parts/log-strip.tsx';
import { SearchForm } from '../parts/search-form.tsx';
import { SearchResults } from '../parts/search-results.tsx';
import { navigate, SHOWS, type Show } from '../router.ts';
import { directAddress, isNarrowed, parseSearch } from '../search.ts';

export function ExplorerPage({ query, show }: { query: string; show: Show }) {
  const now = useNow();
  const { query: parsed, bounds, words } = parseSearch(query);
  const direct = directAddress(parsed, bounds);
  useEffect(() => {
    if (direct !== undefined) navigate(direct, { replace: true });
  }, [direct]);

  return (
    <>
      <Heading title="Explore">Who signed it, and is it still good?</Heading>
      <p class="lead">
        This registry is the public record of who signed which Margo application. Every signature, certificate and
        decision is an entry in a log that nobody can change unnoticed, and your browser checks that for itself.
      </p>
      <SearchForm query={query} />
      {(parsed.kind === 'empty' && !isNarrowed(bounds)) || direct !== undefined ? (
        <>
          <LogStrip now={now} />
          <section aria-labelledby="recent">
            <h2 id="recent">Newest entries</h2>
            <ul class="tabs" aria-label="Kinds of entries">
              {SHOWS.map((kind) => (
                <li key={kind}>
                  <a href={kind === 'all' ? '/' : `/?show=${kind}`} aria-current={kind === show ? 'true' : undefined}>
                    {SHOW_WORDS[kind]}
                  </a>
                </li>
              ))}
            </ul>
            <EntryFeed
              feedKey={`newest ${show}`}
              load={(before) => loadEntries({ limit: 20, ...(show === 'all' ? {} : { type: show }), ...before })}
              now={now}
              empty={<p class="empty">There is no such entry yet.</p>}
            />
          </section>
        </>
      ) : (
        <SearchResults query={parsed} bounds={bounds} typed={query} words={words} now={now} />
      )}
    </>
  );
}

const SHOW_WORDS: Record<Show, string> = {
  all: 'Everything',
  release: 'Releases',
  artifact: 'Signatures',
  record: 'Records',
};
