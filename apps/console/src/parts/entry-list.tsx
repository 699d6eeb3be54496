import type { LogEntry } from '@margo-trust/wire';
import { entryTitle, isVendorIssuer, kindOf, kindWords } from '../decode.ts';
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
              {signerWords(entry, names)}
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

/** Who speaks. An entry may be about a vendor and still be the registry's statement. */
function signerWords({ issuer, vendorId }: LogEntry, names: ReadonlyMap<string, string>): string {
  if (vendorId === undefined || !isVendorIssuer(issuer)) return 'the registry';
  return names.get(vendorId) ?? `vendor ${vendorId}`;
}
