import type { LogEntry } from '@margo-trust/wire';
import { entryTitle, kindOf, kindWords } from '../decode.ts';
import { countWords } from '../words.ts';
import { Age } from './age.tsx';
import { useVendorNames } from './vendor-names.ts';

/** Entries as the registry lists them: a way to find them, nothing checked yet. */
export function EntryList({ entries, now }: { entries: readonly LogEntry[]; now: Date }) {
  const names = useVendorNames();
  return (
    <ul class="entries">
      {entries.map((entry) => {
        const kind = kindOf(entry.contentType);
        return (
          <li key={entry.index}>
            <span class={`kind ${kind}`}>{kindWords(kind)}</span>
            <a href={`/entry/${entry.index}`}>{entryTitle(entry.contentType, entry.subject, names)}</a>
            <span class="entry-meta">
              {entry.vendorId === undefined
                ? 'the registry'
                : (names.get(entry.vendorId) ?? `vendor ${entry.vendorId}`)}
              <span aria-hidden="true"> · </span>
              entry {countWords(BigInt(entry.index))}
              <span aria-hidden="true"> · </span>
              <Age at={new Date(entry.registeredAt)} now={now} />
            </span>
          </li>
        );
      })}
    </ul>
  );
}
