import type { LogEntry, LogEntryPage } from '@margo-trust/wire';
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useLoaded } from '../hooks.ts';
import { plural } from '../words.ts';
import { EntryList } from './entry-list.tsx';
import { Failed, Waiting } from './notice.tsx';

interface FeedProps {
  /** Another key is another list. */
  feedKey: string;
  load: (before: { before?: string }) => Promise<LogEntryPage>;
  now: Date;
  /** Shown when there is nothing to list. */
  empty?: ComponentChildren;
}

/** A list of entries that grows downwards, page by page. */
export function EntryFeed({ feedKey, load, now, empty }: FeedProps) {
  const first = useLoaded(feedKey, () => load({}));
  const [more, keep] = useState<{ items: LogEntry[]; next?: string | undefined }>();
  const [problem, tell] = useState('');
  useEffect(() => keep(undefined), [feedKey]);

  if (first.state === 'loading') return <Waiting what="entries" lines={6} />;
  if (first.state === 'failed') return <Failed title="The entries could not be loaded" message={first.message} />;
  const items = [...first.value.items, ...(more?.items ?? [])];
  const next = more ? more.next : first.value.next;
  if (items.length === 0) return <>{empty ?? <p>There are no entries yet.</p>}</>;
  const loadMore = (before: string) =>
    load({ before }).then(
      (page) => keep({ items: [...(more?.items ?? []), ...page.items], next: page.next }),
      (error: unknown) => tell(error instanceof Error ? error.message : 'The entries could not be loaded.'),
    );
  return (
    <>
      <EntryList entries={items} now={now} />
      {next !== undefined && (
        <button type="button" class="more" onClick={() => void loadMore(next)}>
          Older entries
        </button>
      )}
      <p class={problem === '' ? 'unseen' : 'hint'} role="status">
        {problem === '' ? `${plural(items.length, 'entry', 'entries')} listed` : problem}
      </p>
    </>
  );
}
