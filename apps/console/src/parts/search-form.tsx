import { useEffect, useState } from 'preact/hooks';
import { navigate } from '../router.ts';
import { directAddress, parseSearch } from '../search.ts';

export function SearchForm({ query }: { query: string }) {
  const [typed, type] = useState(query);
  useEffect(() => type(query), [query]);
  return (
    <form
      role="search"
      class="search"
      action="/"
      onSubmit={(event) => {
        event.preventDefault();
        const { query: parsed, bounds } = parseSearch(typed);
        navigate(directAddress(parsed, bounds) ?? `/?q=${encodeURIComponent(typed.trim())}`);
      }}
    >
      <label for="q">Search the log</label>
      <div class="search-row">
        <input
          id="q"
          name="q"
          type="search"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          aria-describedby="q-hint"
          value={typed}
          onInput={(event) => type(event.currentTarget.value)}
        />
        <button type="submit">Search</button>
      </div>
      <p id="q-hint" class="hint">
        A digest, an OCI reference, an application id, a vendor’s name or id, a certificate’s serial number, an EntryID
        or an entry’s number. Narrow it down with <code>version:1.2.0</code>, <code>since:2026-11-01</code> and{' '}
        <code>until:2026-11-30</code>.
      </p>
    </form>
  );
}
