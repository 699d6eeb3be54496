import { useEffect } from 'preact/hooks';
import { loadEntries } from '../api.ts';
import { useNow } from '../hooks.ts';
import { EntryFeed } from '../parts/entry-feed.tsx';
import { Heading } from '../parts/heading.tsx';
import { LogStrip } from '../parts/log-strip.tsx';
import { SearchForm } from '../parts/search-form.tsx';
import { SearchResults } from '../parts/search-results.tsx';
import { navigate } from '../router.ts';
import { directAddress, parseQuery } from '../search.ts';

export function ExplorerPage({ query }: { query: string }) {
  const now = useNow();
  const parsed = parseQuery(query);
  const direct = directAddress(parsed);
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
      {parsed.kind === 'empty' || direct !== undefined ? (
        <>
          <LogStrip now={now} />
          <section aria-labelledby="recent">
            <h2 id="recent">Newest entries</h2>
            <EntryFeed feedKey="recent" load={(before) => loadEntries({ limit: 20, ...before })} now={now} />
          </section>
        </>
      ) : (
        <SearchResults query={parsed} typed={query} now={now} />
      )}
    </>
  );
}
